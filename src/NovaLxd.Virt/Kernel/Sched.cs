using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>sched.h and linux/sched.h.</summary>
internal static partial class Sched
{
    public const ulong CLONE_VM = 0x100;
    public const ulong CLONE_PIDFD = 0x1000;
    public const ulong CLONE_NEWNS = 0x20000;
    public const ulong CLONE_NEWCGROUP = 0x0200_0000;
    public const ulong CLONE_NEWUTS = 0x0400_0000;
    public const ulong CLONE_NEWIPC = 0x0800_0000;
    public const ulong CLONE_NEWUSER = 0x1000_0000;
    public const ulong CLONE_NEWPID = 0x2000_0000;
    public const ulong CLONE_NEWNET = 0x4000_0000;
    public const ulong CLONE_CLEAR_SIGHAND = 0x1_0000_0000;
    public const ulong CLONE_INTO_CGROUP = 0x2_0000_0000;

    /// <summary>clone(2), version of kernel 5.7 (with cgroup): 88 bytes.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct clone_args
    {
        public ulong flags;
        public ulong pidfd;
        public ulong child_tid;
        public ulong parent_tid;
        public ulong exit_signal;
        public ulong stack;
        public ulong stack_size;
        public ulong tls;
        public ulong set_tid;
        public ulong set_tid_size;
        public ulong cgroup;
    }

    /// <summary>Moves the calling thread (for CLONE_NEWPID: its children to come).</summary>
    public static void setns(FileDescriptor target, ulong flags, string what)
    {
        if (setns_(target.Number, (int)flags) < 0)
        {
            throw KernelException.Last("setns", what);
        }
    }

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int setns_(int fd, int type);
}
