using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Kernel;

/// <summary>sys/file.h. The lock belongs to the open file: it lasts until the last descriptor of it, or the loop device attached through it, is gone.</summary>
internal static partial class Flock
{
    private const int ExclusiveNonblocking = 2 | 4;

    /// <summary>False when another open file has the lock.</summary>
    public static bool TryLock(SafeFileHandle file) =>
        Call(file, ExclusiveNonblocking) == 0
        || (Marshal.GetLastPInvokeError() == EWOULDBLOCK ? false : throw KernelException.Last("flock"));

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int Call(SafeFileHandle file, int operation);
}
