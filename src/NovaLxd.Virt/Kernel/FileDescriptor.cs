using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace NovaLxd.Virt.Kernel;

/// <summary>An owned file descriptor. Closed once, by <see cref="SafeHandle.Dispose()"/>.</summary>
internal sealed partial class FileDescriptor : SafeHandleMinusOneIsInvalid
{
    public FileDescriptor()
        : base(ownsHandle: true)
    {
    }

    public FileDescriptor(int number)
        : base(ownsHandle: true) => SetHandle(number);

    /// <summary>The number, for calls that take it as a plain integer; valid while this object is kept.</summary>
    /// <exception cref="ObjectDisposedException">It has been closed: the number may be another file's by now.</exception>
    public int Number
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return (int)handle;
        }
    }

    /// <summary>Gives up ownership: somebody else closes it.</summary>
    public int Release()
    {
        var number = Number;
        SetHandleAsInvalid();
        return number;
    }

    /// <summary>A second descriptor of the same open file, closed by exec.</summary>
    public FileDescriptor Duplicate()
    {
        var copy = fcntl(Number, F_DUPFD_CLOEXEC, 3);
        return copy >= 0 ? new FileDescriptor(copy) : throw KernelException.Last("fcntl(F_DUPFD_CLOEXEC)");
    }

    protected override bool ReleaseHandle() => close((int)handle) == 0;

    private const int F_DUPFD_CLOEXEC = 1030;

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int fd, int command, long argument);
}
