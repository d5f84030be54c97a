using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>
/// asm/unistd.h: the system calls this layer makes by number, because libc has no wrapper (glibc 2.36) or because no libc may run where they are made.
/// Only calls that every architecture has: arm64 knows <c>openat</c> and not <c>open</c>.
/// </summary>
internal enum Syscall
{
    dup3,
    ioctl,
    mknodat,
    mkdirat,
    symlinkat,
    unlinkat,
    mount,
    umount2,
    pivot_root,
    chdir,
    fchdir,
    openat,
    openat2,
    read,
    write,
    prctl,
    setsid,
    setgroups,
    setresuid,
    setresgid,
    sethostname,
    umask,
    prlimit64,
    rt_sigaction,
    rt_sigprocmask,
    rt_sigtimedwait,
    socket,
    sendmsg,
    execve,
    exit_group,
    unshare,
    setns,
    seccomp,
    move_mount,
    close_range,
    pidfd_open,
    pidfd_send_signal,
    open_tree,
    fsopen,
    fsconfig,
    fsmount,
    mount_setattr,
    clone3,
}

/// <summary>Numbers of the calls on the architectures there is a stub for.</summary>
internal static class SyscallNumbers
{
    /// <exception cref="PlatformNotSupportedException">An architecture other than x86-64 and arm64.</exception>
    public static int Of(Syscall call, Architecture architecture) => architecture switch
    {
        Architecture.X64 => X64(call),
        Architecture.Arm64 => Arm64(call),
        _ => throw new PlatformNotSupportedException($"The engine knows x86-64 and arm64, not {architecture}."),
    };

    public static int Of(Syscall call) => Of(call, RuntimeInformation.ProcessArchitecture);

    /// <summary>arch/x86/entry/syscalls/syscall_64.tbl; numbers above 423 are the same on both.</summary>
    private static int X64(Syscall call) => call switch
    {
        Syscall.read => 0,
        Syscall.write => 1,
        Syscall.rt_sigaction => 13,
        Syscall.rt_sigprocmask => 14,
        Syscall.ioctl => 16,
        Syscall.rt_sigtimedwait => 128,
        Syscall.socket => 41,
        Syscall.sendmsg => 46,
        Syscall.execve => 59,
        Syscall.chdir => 80,
        Syscall.fchdir => 81,
        Syscall.umask => 95,
        Syscall.setsid => 112,
        Syscall.setgroups => 116,
        Syscall.setresuid => 117,
        Syscall.setresgid => 119,
        Syscall.pivot_root => 155,
        Syscall.prctl => 157,
        Syscall.mount => 165,
        Syscall.umount2 => 166,
        Syscall.sethostname => 170,
        Syscall.exit_group => 231,
        Syscall.openat => 257,
        Syscall.mkdirat => 258,
        Syscall.mknodat => 259,
        Syscall.unlinkat => 263,
        Syscall.symlinkat => 266,
        Syscall.unshare => 272,
        Syscall.dup3 => 292,
        Syscall.prlimit64 => 302,
        Syscall.setns => 308,
        Syscall.seccomp => 317,
        _ => Common(call),
    };

    /// <summary>include/uapi/asm-generic/unistd.h.</summary>
    private static int Arm64(Syscall call) => call switch
    {
        Syscall.dup3 => 24,
        Syscall.ioctl => 29,
        Syscall.mknodat => 33,
        Syscall.mkdirat => 34,
        Syscall.unlinkat => 35,
        Syscall.symlinkat => 36,
        Syscall.umount2 => 39,
        Syscall.mount => 40,
        Syscall.pivot_root => 41,
        Syscall.chdir => 49,
        Syscall.fchdir => 50,
        Syscall.openat => 56,
        Syscall.read => 63,
        Syscall.write => 64,
        Syscall.exit_group => 94,
        Syscall.unshare => 97,
        Syscall.rt_sigaction => 134,
        Syscall.rt_sigprocmask => 135,
        Syscall.rt_sigtimedwait => 137,
        Syscall.setresuid => 147,
        Syscall.setresgid => 149,
        Syscall.setsid => 157,
        Syscall.setgroups => 159,
        Syscall.sethostname => 161,
        Syscall.umask => 166,
        Syscall.prctl => 167,
        Syscall.socket => 198,
        Syscall.sendmsg => 211,
        Syscall.execve => 221,
        Syscall.prlimit64 => 261,
        Syscall.setns => 268,
        Syscall.seccomp => 277,
        _ => Common(call),
    };

    private static int Common(Syscall call) => call switch
    {
        Syscall.pidfd_send_signal => 424,
        Syscall.open_tree => 428,
        Syscall.move_mount => 429,
        Syscall.fsopen => 430,
        Syscall.fsconfig => 431,
        Syscall.fsmount => 432,
        Syscall.pidfd_open => 434,
        Syscall.clone3 => 435,
        Syscall.close_range => 436,
        Syscall.openat2 => 437,
        Syscall.mount_setattr => 442,
        _ => throw new ArgumentOutOfRangeException(nameof(call), call, "No number is known for this system call."),
    };
}

/// <summary>syscall(2): calls by number from managed code.</summary>
internal static partial class SyscallFunction
{
    /// <returns>The result; -1 with errno set on failure.</returns>
    [LibraryImport("libc", SetLastError = true)]
    public static partial long syscall(long number, long a0, long a1, long a2, long a3, long a4, long a5);

    /// <exception cref="KernelException"/>
    public static long Invoke(Syscall call, string? target, long a0 = 0, long a1 = 0, long a2 = 0, long a3 = 0, long a4 = 0, long a5 = 0)
    {
        var result = syscall(SyscallNumbers.Of(call), a0, a1, a2, a3, a4, a5);
        return result >= 0 ? result : throw KernelException.Last(call.ToString(), target);
    }
}
