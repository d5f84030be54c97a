using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>sys/wait.h.</summary>
internal static unsafe partial class SysWait
{
    public const int P_PIDFD = 3;
    public const int WNOHANG = 1;
    public const int WEXITED = 4;
    public const int CLD_EXITED = 1;

    /// <summary>Reaps the child behind a pidfd and tells how it ended.</summary>
    /// <param name="block">Whether to wait for a child that has not ended.</param>
    /// <returns>Null: it has not ended yet.</returns>
    /// <exception cref="KernelException">ECHILD: not a child of this process.</exception>
    public static WaitStatus? WaitForExit(FileDescriptor pidfd, bool block)
    {
        var info = stackalloc byte[128];
        new Span<byte>(info, 128).Clear();
        while (waitid(P_PIDFD, pidfd.Number, info, WEXITED | (block ? 0 : WNOHANG)) != 0)
        {
            if (Marshal.GetLastPInvokeError() != Errno.EINTR)
            {
                throw KernelException.Last("waitid");
            }
        }

        // siginfo_t of SIGCHLD on 64-bit systems: si_signo, si_errno, si_code, padding, si_pid, si_uid, si_status.
        var fields = (int*)info;
        return fields[4] == 0 ? null : new WaitStatus(fields[2] == CLD_EXITED, fields[6]);
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitid(int type, int id, byte* info, int options);
}

/// <summary>How a process ended: by exit(3) with a status, or killed by the signal of that number.</summary>
internal readonly record struct WaitStatus(bool Exited, int Value)
{
    /// <summary>From the 16 bits of wait(2) and of PIDFD_GET_INFO.</summary>
    public static WaitStatus FromBits(int bits) => (bits & 0x7f) == 0 ? new WaitStatus(true, (bits >> 8) & 0xff) : new WaitStatus(false, bits & 0x7f);

    /// <summary>As a shell says it: the status, or 128 plus the signal.</summary>
    public int ShellStatus => Exited ? Value : 128 + Value;
}
