using System.Runtime.InteropServices;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Kernel;

/// <summary>linux/openat2.h: opening a path that cannot leave the directory it starts from.</summary>
internal static partial class Openat2
{
    /// <summary>System call number; the same on every architecture (asm-generic/unistd.h).</summary>
    private const nint SysOpenat2 = 437;

    /// <summary>
    /// RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS and RESOLVE_NO_XDEV: no "..", no absolute path, no symbolic link and no
    /// mount point can lead out of the directory.
    /// </summary>
    private const ulong ResolveStrictly = 0x08 | 0x04 | 0x02 | 0x01;

    /// <returns>The descriptor, or -1 with errno set: ELOOP for a symbolic link on the way, EXDEV for a way out, ENOTDIR, ENOENT.</returns>
    public static unsafe int OpenBeneath(int directory, byte* path, int flags, uint mode)
    {
        var how = new OpenHow { Flags = (ulong)(uint)(flags | O_CLOEXEC), Mode = mode, Resolve = ResolveStrictly };
        return (int)Syscall(SysOpenat2, directory, path, &how, (nuint)sizeof(OpenHow));
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static unsafe partial nint Syscall(nint number, nint directory, byte* path, OpenHow* how, nuint size);

    /// <summary>struct open_how.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct OpenHow
    {
        public ulong Flags;
        public ulong Mode;
        public ulong Resolve;
    }
}
