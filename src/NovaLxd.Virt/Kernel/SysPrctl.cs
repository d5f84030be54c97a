using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>sys/prctl.h.</summary>
internal static partial class SysPrctl
{
    public const int PR_SET_DUMPABLE = 4;
    public const int PR_CAPBSET_DROP = 24;
    public const int PR_SET_CHILD_SUBREAPER = 36;

    public static void Set(int option, long value, string name)
    {
        if (prctl(option, value, 0, 0, 0) != 0)
        {
            throw KernelException.Last("prctl", name);
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int prctl(int option, long a2, long a3, long a4, long a5);
}
