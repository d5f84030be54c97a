using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>sys/ioctl.h, the requests of asm-generic/ioctls.h and linux/sockios.h.</summary>
internal static partial class SysIoctl
{
    public const uint TIOCSCTTY = 0x540E;
    public const uint TIOCSWINSZ = 0x5414;

    /// <summary>_IOW('T', 0x31, int).</summary>
    public const uint TIOCSPTLCK = 0x40045431;

    /// <summary>_IO('T', 0x41): opens the other end without a path.</summary>
    public const uint TIOCGPTPEER = 0x5441;
    public const uint SIOCSIFFLAGS = 0x8914;
    public const short IFF_UP = 1;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int ioctl(int fd, ulong request, nint argument);
}
