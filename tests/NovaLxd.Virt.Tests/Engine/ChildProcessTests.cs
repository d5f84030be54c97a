using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Tests.Engine;

/// <summary>The stub and its list on this machine's processor, without any privilege.</summary>
public sealed class ChildProcessTests : IDisposable
{
    private readonly SyscallStub _stub = new();

    public void Dispose() => _stub.Dispose();

    [Fact]
    public async Task RunsTheListAndThenTheProgram()
    {
        var (read, write) = Unistd.pipe2(Fcntl.O_CLOEXEC);
        using (read)
        {
            using (write)
            {
                await RunAsync([write.Number], [new(Syscall.dup3, write.Number, 1, 0), Execute("/bin/sh", "-c", "echo $1-$X", "sh", "a")], 0, null);
            }

            Assert.Equal("a-y\n", ReadText(read));
        }
    }

    [Fact]
    public async Task AResultGoesIntoALaterStep()
    {
        var open = new SyscallStep(Syscall.openat, Fcntl.AT_FDCWD, "/dev/null", Fcntl.O_RDWR, 0);
        await RunAsync([], [open, new(Syscall.dup3, new Argument.ResultOf(open), 1, 0), Execute("/bin/sh", "-c", "[ $(readlink /proc/$$/fd/1) = /dev/null ]")], 0, null);
    }

    [Fact]
    public async Task AFailingStepIsNamedAndNothingFollows() =>
        await RunAsync([], [new(Syscall.chdir, "/nowhere"), Execute("/bin/true")], 127, "chdir chdir(\"/nowhere\"): No such file or directory (errno 2)");

    [Fact]
    public async Task AFailureThatDoesNotMatterIsPassedOver() =>
        await RunAsync([], [new(Syscall.chdir, "/nowhere") { Least = SyscallStep.AnyResult }, Execute("/bin/true")], 0, null);

    [Fact]
    public async Task ATooSmallResultIsAFailure()
    {
        var (read, write) = Unistd.pipe2(Fcntl.O_CLOEXEC);
        using (read)
        {
            write.Dispose(); // So that the child reads end of file, as when its parent has died.
            await RunAsync([read.Number], [new(Syscall.read, read.Number, new Argument.Memory(new byte[8], "<go>"), 1) { Least = 1 }, Execute("/bin/true")], 127, "read read(");
        }
    }

    [Fact]
    public async Task OnlyTheDescriptorsOfTheListAreThere()
    {
        using var secret = Fcntl.open("/etc/hostname", Fcntl.O_RDONLY); // Not close-on-exec: were it not closed, the program would have it.
        await RunAsync([], [Execute("/bin/sh", "-c", $"[ ! -e /proc/$$/fd/{secret.Number} ]")], 0, null);
    }

    [Theory]
    [InlineData("SigIgn:.*[08]0{7}$")] // Signals 1 to 31, which the list sets.
    [InlineData("SigBlk:.*\\s0+$")]
    public async Task SignalsAreAsByDefault(string line) =>
        await RunAsync([], [.. Confinement.ForgetParent(), Execute("/bin/grep", "-qE", line, "/proc/self/status")], 0, null);

    [Fact]
    public void AResultUsedTwiceIsRefused()
    {
        var open = new SyscallStep(Syscall.openat, 0);
        Assert.Throws<InvalidOperationException>(() => new SyscallProgram([open, new(Syscall.fchdir, new Argument.ResultOf(open)), new(Syscall.fchdir, new Argument.ResultOf(open))]));
        Assert.Throws<InvalidOperationException>(() => new SyscallProgram([new(Syscall.fchdir, new Argument.ResultOf(open)), open]));
    }

    [Theory]
    [InlineData(new[] { 5, 9 }, "close_range(3, 4, 0);close_range(6, 8, 0);close_range(10, ~0U, 0)")]
    [InlineData(new[] { 3, 4 }, "close_range(5, ~0U, 0)")]
    [InlineData(new[] { 1 }, "close_range(3, ~0U, 0)")]
    public void TheGapsAreClosed(int[] kept, string expected) => Assert.Equal(expected, string.Join(';', ChildProcess.CloseAllBut(kept)));

    private static SyscallStep Execute(params string[] command) =>
        new(Syscall.execve, command[0], Argument.Vector(command), Argument.Vector(["PATH=/bin:/usr/bin", "X=y"]));

    private async Task RunAsync(IReadOnlyList<int> kept, IReadOnlyList<SyscallStep> steps, int status, string? failureStart)
    {
        using var child = ChildProcess.Start(_stub, steps, kept, 0);
        using var pidfd = child.Pidfd;
        KernelException? failure;
        while (!child.TryFinish(out failure))
        {
            await Task.Delay(1);
        }

        WaitStatus? exit;
        while ((exit = SysWait.WaitForExit(pidfd, block: false)) is null)
        {
            await Task.Delay(1);
        }

        Assert.Equal((failureStart, status), (failureStart is null ? failure?.Message : failure?.Message[..failureStart.Length], exit.Value.ShellStatus));
    }

    private static string ReadText(FileDescriptor descriptor)
    {
        var buffer = new byte[100];
        return System.Text.Encoding.UTF8.GetString(buffer, 0, Unistd.Read(descriptor.Number, buffer) ?? 0);
    }
}
