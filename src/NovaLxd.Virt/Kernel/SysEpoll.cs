using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>sys/epoll.h and sys/eventfd.h.</summary>
internal static unsafe partial class SysEpoll
{
    public const uint EPOLLIN = 1;
    public const uint EPOLLOUT = 4;
    public const uint EPOLLHUP = 16;
    public const int EPOLL_CTL_ADD = 1;
    public const int EPOLL_CTL_DEL = 2;
    public const int EPOLL_CTL_MOD = 3;

    /// <summary>Packed on x86-64 only.</summary>
    public static int EventSize => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;

    public static FileDescriptor epoll_create1()
    {
        var fd = epoll_create1_(Fcntl.O_CLOEXEC);
        return fd >= 0 ? new FileDescriptor(fd) : throw KernelException.Last("epoll_create1");
    }

    /// <param name="data">Given back by <see cref="Wait"/>.</param>
    public static void epoll_ctl(FileDescriptor epoll, int operation, int fd, uint events, long data)
    {
        var buffer = stackalloc byte[16];
        *(uint*)buffer = events;
        *(long*)(buffer + EventSize - 8) = data;
        if (epoll_ctl_(epoll.Number, operation, fd, buffer) != 0)
        {
            throw KernelException.Last("epoll_ctl");
        }
    }

    /// <summary>Waits for at most <paramref name="milliseconds"/> (-1: for ever) and fills in what is ready.</summary>
    /// <returns>How many; 0 when the time is up or a signal came.</returns>
    public static int Wait(FileDescriptor epoll, Span<(uint Events, long Data)> ready, int milliseconds)
    {
        var buffer = stackalloc byte[16 * ready.Length];
        var count = epoll_wait(epoll.Number, buffer, ready.Length, milliseconds);
        if (count < 0)
        {
            return Marshal.GetLastPInvokeError() == Errno.EINTR ? 0 : throw KernelException.Last("epoll_wait");
        }

        for (var i = 0; i < count; i++)
        {
            var item = buffer + (i * EventSize);
            ready[i] = (*(uint*)item, *(long*)(item + EventSize - 8));
        }

        return count;
    }

    public static FileDescriptor eventfd()
    {
        var fd = eventfd_(0, Fcntl.O_CLOEXEC | Fcntl.O_NONBLOCK);
        return fd >= 0 ? new FileDescriptor(fd) : throw KernelException.Last("eventfd");
    }

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int epoll_create1_(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int epoll_ctl_(int epoll, int operation, int fd, byte* item);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_wait(int epoll, byte* items, int count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int eventfd_(uint value, int flags);
}
