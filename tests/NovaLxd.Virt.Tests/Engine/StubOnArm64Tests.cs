using System.Globalization;
using System.Runtime.InteropServices;
using NovaLxd.Virt.Engine;

namespace NovaLxd.Virt.Tests.Engine;

/// <summary>
/// The arm64 stub under qemu's user emulation. It does not know clone3, so the call itself is only seen to be made with the right number and to come
/// back as -ENOSYS through the parent's path; the child's part, which is all the rest, is entered after a fork.
/// </summary>
public sealed class StubOnArm64Tests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("nlt-arm64-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task RunsTheListStoresResultsAndReportsFailures()
    {
        var code = string.Join(',', SyscallStub.CodeFor(Architecture.Arm64).ToArray().Select(b => b.ToString(CultureInfo.InvariantCulture)));
        var source = Path.Combine(_folder, "stub.c");
        await File.WriteAllTextAsync(source, Harness.Replace("CODE", code, StringComparison.Ordinal));
        var program = Path.Combine(_folder, "stub");
        foreach (var tool in new[] { "aarch64-linux-gnu-gcc", "qemu-aarch64-static" })
        {
            Assert.True(File.Exists($"/usr/bin/{tool}"), $"{tool} is missing: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static");
        }

        await EngineHost.RunAsync("aarch64-linux-gnu-gcc", "-static", "-O1", "-o", program, source);
        Assert.Equal("clone3 -38\nlist 7\nstored ok\nfailure 127 -2 entry 1\nleast 127 0 entry 0\n", await EngineHost.RunAsync("qemu-aarch64-static", program));
    }

    private const string Harness = """
        #include <stdio.h>
        #include <string.h>
        #include <sys/mman.h>
        #include <sys/wait.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        #include <fcntl.h>
        #include <limits.h>
        struct entry { long number, a[6]; long *store; long least; };
        struct context { struct entry *first; long error_fd, result; struct entry *entry; };
        static const unsigned char code[] = { CODE };
        static unsigned char *stub;
        static int error_pipe[2];

        /* Enters at "child", where x9 is the context. */
        static int run(struct entry *list) {
            struct context context = { list, error_pipe[1] };
            pid_t pid = fork();
            if (pid == 0) {
                register struct context *x9 asm("x9") = &context;
                register void *entry asm("x16") = stub + 0x14;
                asm volatile("br x16" : : "r"(x9), "r"(entry) : "memory");
                __builtin_unreachable();
            }
            int status;
            waitpid(pid, &status, 0);
            return WEXITSTATUS(status);
        }

        static void report(const char *name, int status, struct entry *list) {
            long words[2];
            if (read(error_pipe[0], words, sizeof words) == sizeof words)
                printf("%s %d %ld entry %ld\n", name, status, words[0], (long)((struct entry *)words[1] - list));
        }

        int main(void) {
            setvbuf(stdout, 0, _IONBF, 0);
            stub = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            memcpy(stub, code, sizeof code);
            mprotect(stub, 4096, PROT_READ | PROT_EXEC);
            pipe(error_pipe);
            char clone_args[88] = { 0 };
            struct context context = { 0 };
            printf("clone3 %ld\n", ((long (*)(void *, long, void *))stub)(clone_args, 88, &context));
            struct entry exits[] = { { SYS_exit_group, { 7 } } };
            printf("list %d\n", run(exits));

            /* dup(1) gives the descriptor that the write after it uses. */
            struct entry stores[] = {
                { SYS_dup, { 1 } },
                { SYS_write, { -1, (long)"stored ok\n", 10 }, 0, 10 },
                { SYS_exit_group, { 0 } } };
            stores[0].store = &stores[1].a[0];
            run(stores);
            struct entry fails[] = {
                { SYS_chdir, { (long)"/nowhere" }, 0, LONG_MIN },
                { SYS_chdir, { (long)"/nowhere" } },
                { SYS_exit_group, { 0 } } };
            report("failure", run(fails), fails);
            int null = open("/dev/null", O_RDONLY);
            char byte;
            struct entry least[] = { { SYS_read, { null, (long)&byte, 1 }, 0, 1 }, { SYS_exit_group, { 0 } } };
            report("least", run(least), least);
            return 0;
        }
        """;
}
