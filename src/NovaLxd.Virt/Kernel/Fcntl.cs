using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>fcntl.h.</summary>
internal static partial class Fcntl
{
    public const int O_RDONLY = 0;
    public const int O_WRONLY = 1;
    public const int O_RDWR = 2;
    public const int O_CREAT = 0x40;
    public const int O_NOCTTY = 0x100;
    public const int O_NONBLOCK = 0x800;
    public const int O_CLOEXEC = 0x80000;
    public const int O_PATH = 0x200000;

    public const int AT_FDCWD = -100;
    public const int AT_EMPTY_PATH = 0x1000;
    public const int F_GETFD = 1;
    public const int F_SETFD = 2;
    public const int F_GETFL = 3;
    public const int F_SETFL = 4;
    public const int FD_CLOEXEC = 1;

    /// <summary>O_DIRECTORY has another bit on arm64.</summary>
    public static int O_DIRECTORY => RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x4000 : 0x10000;

    public static FileDescriptor open(string path, int flags, int mode = 0)
    {
        var fd = open_(path, flags, mode);
        return fd >= 0 ? new FileDescriptor(fd) : throw KernelException.Last("open", path);
    }

    /// <summary>Null when there is no such file.</summary>
    public static FileDescriptor? TryOpen(string path, int flags)
    {
        var fd = open_(path, flags, 0);
        return fd >= 0 ? new FileDescriptor(fd)
            : Marshal.GetLastPInvokeError() is Errno.ENOENT or Errno.ESRCH ? null : throw KernelException.Last("open", path);
    }

    public static void SetCloseOnExec(int fd, bool set)
    {
        if (fcntl(fd, F_SETFD, set ? FD_CLOEXEC : 0) < 0)
        {
            throw KernelException.Last("fcntl(F_SETFD)");
        }
    }

    public static void SetNonBlocking(int fd)
    {
        var flags = fcntl(fd, F_GETFL, 0);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        {
            throw KernelException.Last("fcntl(F_SETFL)");
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open_(string path, int flags, int mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int fd, int command, long argument);
}
