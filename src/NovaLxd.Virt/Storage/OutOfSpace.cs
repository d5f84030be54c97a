using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Virt.Storage;

/// <summary>Tells a full disk from other failures, by whichever way it was met.</summary>
internal static class OutOfSpace
{
    /// <summary>ENOSPC or EDQUOT from a system call, from .NET's file classes (which keep errno in HResult), or in the words of a program.</summary>
    public static bool Is(Exception e) =>
        e is KernelException { Errno: Errno.ENOSPC or Errno.EDQUOT }
        or IOException { HResult: Errno.ENOSPC or Errno.EDQUOT }
        || (e is CommandFailedException && e.Message.Contains("No space left on device", StringComparison.Ordinal));
}
