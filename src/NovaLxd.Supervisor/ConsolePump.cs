using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <summary>
/// Reads a console's master into its ring file, so that a guest never waits for a reader. A guest that writes without end is read no faster than
/// <see cref="BytesPerSecond"/>: beyond that it does wait, as on any terminal, rather than take the supervisor's time from the others.
/// </summary>
internal sealed class ConsolePump : IDisposable
{
    private const int BytesPerSecond = 1 << 20;
    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(100);

    private readonly EventLoop _loop;
    private readonly byte[] _buffer;
    private readonly FileDescriptor _otherEnd;
    private readonly ConsoleRing _ring;
    private readonly EventLoop.Registration _watch;
    private int _inWindow;
    private EventLoop.Timer? _window;

    /// <param name="master">Owned from here on.</param>
    /// <param name="buffer">Shared by all pumps, which run on one thread.</param>
    public ConsolePump(EventLoop loop, FileDescriptor master, ConsoleRing ring, byte[] buffer)
    {
        _loop = loop;
        _ring = ring;
        _buffer = buffer;
        Master = master;
        Fcntl.SetNonBlocking(master.Number);

        // Held open, so that the master does not report a hang-up for ever while the guest has its console closed.
        var peer = SysIoctl.ioctl(master.Number, SysIoctl.TIOCGPTPEER, Fcntl.O_RDWR | Fcntl.O_NOCTTY | Fcntl.O_CLOEXEC);
        _otherEnd = peer >= 0 ? new FileDescriptor(peer) : throw KernelException.Last("ioctl(TIOCGPTPEER)");
        _watch = loop.Watch(master, SysEpoll.EPOLLIN, Read);
    }

    public FileDescriptor Master { get; }

    /// <summary>Takes what is left when the guest has ended.</summary>
    public void Drain()
    {
        for (var left = _buffer.Length * 16; left > 0;)
        {
            var count = Unistd.Read(Master.Number, _buffer) ?? 0;
            if (count == 0)
            {
                return;
            }

            _ring.Append(_buffer.AsSpan(0, count));
            left -= count;
        }
    }

    public void Dispose()
    {
        _window?.Cancel();
        _watch.Dispose();
        _otherEnd.Dispose();
        Master.Dispose();
        _ring.Dispose();
    }

    private void Read()
    {
        if (Unistd.Read(Master.Number, _buffer) is not ({ } count and > 0))
        {
            return;
        }

        _ring.Append(_buffer.AsSpan(0, count));
        _inWindow += count;
        _window ??= _loop.After(Window, EndWindow);
        if (_inWindow >= BytesPerSecond * Window.TotalSeconds)
        {
            _watch.SetEvents(0);
        }
    }

    private void EndWindow()
    {
        _inWindow = 0;
        _window = null;
        _watch.SetEvents(SysEpoll.EPOLLIN);
    }
}
