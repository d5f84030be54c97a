using NovaLxd.Virt.Kernel;
using static NovaLxd.Virt.Engine.Argument;

namespace NovaLxd.Virt.Engine;

/// <summary>The steps that init and the commands run beside it have in common: what they forget of their parent, and what they must not do.</summary>
internal static class Confinement
{
    public const string DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    private const int RLIMIT_NOFILE = 7;
    private const int SECCOMP_SET_MODE_FILTER = 1;
    private const int SIG_SETMASK = 2;
    private const int CLOSE_RANGE_CLOEXEC = 4;

    /// <summary>Signals that cannot be set, and those that .NET and shells leave ignored: an ignored signal stays ignored over exec.</summary>
    public static IEnumerable<SyscallStep> ForgetParent()
    {
        yield return new(Syscall.setsid);
        foreach (var signal in Enumerable.Range(1, 31).Where(signal => signal is not (Signal.SIGKILL or Signal.SIGSTOP)))
        {
            // struct kernel_sigaction: handler (SIG_DFL is 0), flags, restorer, mask.
            yield return new(Syscall.rt_sigaction, signal, new Memory(new byte[32], "{SIG_DFL}"), Null, 8);
        }

        yield return new(Syscall.rt_sigprocmask, new Number(SIG_SETMASK, "SIG_SETMASK"), new Memory(new byte[8], "[]"), Null, 8);
    }

    /// <summary>Groups first: afterwards the right to set them is gone.</summary>
    public static IEnumerable<SyscallStep> BecomeUser(long uid, long gid) =>
    [
        new(Syscall.setgroups, 0, Null),
        new(Syscall.setresgid, gid, gid, gid),
        new(Syscall.setresuid, uid, uid, uid),
    ];

    /// <summary>
    /// In this order: a limit may be set before capabilities are dropped; the label is written through /proc; the filter comes last, as it may refuse the
    /// calls before it. There is no PR_SET_NO_NEW_PRIVS: sudo must work inside, and CAP_SYS_ADMIN in the user namespace allows the filter.
    /// </summary>
    public static IEnumerable<SyscallStep> Limit(LaunchInputs inputs) => Limit(
        inputs.OpenFilesLimit, inputs.DroppedCapabilities, inputs.AppArmorProfile, inputs.Seccomp);

    public static IEnumerable<SyscallStep> Limit(long openFiles, IReadOnlyList<int> droppedCapabilities, string? appArmorProfile, byte[] seccomp)
    {
        var limit = new byte[16];
        BitConverter.TryWriteBytes(limit, Math.Min(1024, openFiles));
        BitConverter.TryWriteBytes(limit.AsSpan(8), openFiles);
        yield return new(Syscall.prlimit64, 0, new Number(RLIMIT_NOFILE, "RLIMIT_NOFILE"), new Memory(limit, $"{{1024, {openFiles}}}"), Null);
        foreach (var capability in droppedCapabilities)
        {
            yield return new(Syscall.prctl, new Number(SysPrctl.PR_CAPBSET_DROP, "PR_CAPBSET_DROP"), capability, 0, 0, 0);
        }

        if (appArmorProfile is not null)
        {
            var text = $"exec {appArmorProfile}";
            var label = new SyscallStep(Syscall.openat, Fcntl.AT_FDCWD, "/proc/self/attr/apparmor/exec", Fcntl.O_WRONLY | Fcntl.O_CLOEXEC, 0);
            yield return label;
            yield return new(Syscall.write, new ResultOf(label), text, text.Length) { Least = text.Length };
        }

        yield return new(Syscall.close_range, 3, new Number(uint.MaxValue, "~0U"), new Number(CLOSE_RANGE_CLOEXEC, "CLOSE_RANGE_CLOEXEC"));
        if (seccomp.Length > 0)
        {
            // struct sock_fprog: number of instructions (8 bytes each), address.
            var program = new byte[16];
            BitConverter.TryWriteBytes(program, (ushort)(seccomp.Length / 8));
            var filter = new Memory(program, $"{{{seccomp.Length / 8} instructions}}", (8, new Memory(seccomp, "")));
            yield return new(Syscall.seccomp, new Number(SECCOMP_SET_MODE_FILTER, "SECCOMP_SET_MODE_FILTER"), 0, filter);
        }
    }
}
