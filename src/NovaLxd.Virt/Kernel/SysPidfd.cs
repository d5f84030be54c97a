using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>sys/pidfd.h and linux/pidfd.h.</summary>
internal static unsafe partial class SysPidfd
{
    /// <summary>linux/pidfd.h, first published size (kernel 6.13), with exit_code of 6.15.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct pidfd_info
    {
        public ulong mask;
        public ulong cgroupid;
        public uint pid;
        public uint tgid;
        public uint ppid;
        public uint ruid;
        public uint rgid;
        public uint euid;
        public uint egid;
        public uint suid;
        public uint sgid;
        public uint fsuid;
        public uint fsgid;
        public int exit_code;
    }

    public const ulong PIDFD_INFO_EXIT = 8;

    /// <summary>_IOWR(0xFF, 11, struct pidfd_info).</summary>
    public const uint PIDFD_GET_INFO = 0xC040FF0B;

    /// <summary>Null when there is no such process.</summary>
    public static FileDescriptor? TryOpen(int pid)
    {
        var fd = SyscallFunction.syscall(SyscallNumbers.Of(Syscall.pidfd_open), pid, 0, 0, 0, 0, 0);
        return fd >= 0 ? new FileDescriptor((int)fd)
            : Marshal.GetLastPInvokeError() == Errno.ESRCH ? null : throw KernelException.Last("pidfd_open", $"process {pid}");
    }

    /// <returns>False: the process has ended.</returns>
    public static bool SendSignal(FileDescriptor pidfd, int signal)
    {
        if (SyscallFunction.syscall(SyscallNumbers.Of(Syscall.pidfd_send_signal), pidfd.Number, signal, 0, 0, 0, 0) == 0)
        {
            return true;
        }

        return Marshal.GetLastPInvokeError() == Errno.ESRCH ? false : throw KernelException.Last("pidfd_send_signal", $"signal {signal}");
    }

    /// <summary>
    /// How a process that need not be our child ended: known since kernel 6.15, and only once its parent has reaped it.
    /// </summary>
    /// <returns>Null: not known.</returns>
    public static WaitStatus? TryGetExit(FileDescriptor pidfd)
    {
        var info = new pidfd_info { mask = PIDFD_INFO_EXIT };
        return SysIoctl.ioctl(pidfd.Number, PIDFD_GET_INFO, (nint)(&info)) == 0 && (info.mask & PIDFD_INFO_EXIT) != 0
            ? WaitStatus.FromBits(info.exit_code)
            : null;
    }
}
