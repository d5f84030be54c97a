using System.Runtime.InteropServices;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Kernel;

/// <summary>Owner, permission bits and time of an open file or directory: fchown(2), fchmod(2), futimens(3), in the order in which none undoes another.</summary>
internal static unsafe class FileMetadata
{
    public static void SetOwnerAndMode(SafeHandle file, uint userId, uint groupId, uint mode)
    {
        var descriptor = (int)file.DangerousGetHandle();

        // chown clears set-user-ID and capabilities, so it comes first.
        if (fchown(descriptor, userId, groupId) != 0)
        {
            throw KernelException.Last("fchown");
        }

        if (fchmod(descriptor, (mode_t)mode) != 0)
        {
            throw KernelException.Last("fchmod");
        }
    }

    public static void SetModified(SafeHandle file, long seconds, long nanoseconds)
    {
        var times = stackalloc timespec[2];
        Fill(times, seconds, nanoseconds);
        if (futimens((int)file.DangerousGetHandle(), times) != 0)
        {
            throw KernelException.Last("futimens");
        }
    }

    internal static void Fill(timespec* times, long seconds, long nanoseconds)
    {
        times[0].tv_sec = seconds;
        times[0].tv_nsec = (long_t)nanoseconds;
        times[1] = times[0];
    }
}
