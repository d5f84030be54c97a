using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <summary>
/// The supervisor's one thread: it waits for descriptors and points in time and calls what was registered for them. Nothing called here may wait for
/// long. Everything but <see cref="Post"/> is for this thread only.
/// </summary>
internal sealed class EventLoop : IDisposable
{
    /// <summary>Milliseconds without any event after which the loop counts as quiet.</summary>
    private const int QuietMilliseconds = 1000;

    private readonly FileDescriptor _epoll = SysEpoll.epoll_create1();
    private readonly FileDescriptor _wake = SysEpoll.eventfd();
    private readonly Dictionary<long, Action> _watches = [];
    private readonly PriorityQueue<Timer, long> _timers = new();
    private readonly Queue<Action> _posted = new();
    private readonly TimeProvider _time;
    private readonly Action<Exception> _onError;
    private readonly Action? _onQuiet;
    private long _nextWatch = 1;
    private bool _stopped;

    /// <param name="onError">Told of what a callback throws: one container's misfortune must not end all others' care.</param>
    /// <param name="onQuiet">Called once when for a second nothing has happened, and again only after something has.</param>
    public EventLoop(TimeProvider time, Action<Exception> onError, Action? onQuiet = null)
    {
        _time = time;
        _onError = onError;
        _onQuiet = onQuiet;
        Watch(_wake, SysEpoll.EPOLLIN, RunPosted);
    }

    /// <summary>Calls <paramref name="ready"/> whenever the descriptor is ready, until the result is disposed of, which has to happen before it is closed.</summary>
    public Registration Watch(FileDescriptor descriptor, uint events, Action ready)
    {
        var id = _nextWatch++;
        SysEpoll.epoll_ctl(_epoll, SysEpoll.EPOLL_CTL_ADD, descriptor.Number, events, id);
        _watches.Add(id, ready);
        return new Registration(this, descriptor, id);
    }

    public Timer After(TimeSpan delay, Action due)
    {
        var timer = new Timer(due);
        var ticks = _time.GetTimestamp() + (long)(delay.TotalSeconds * _time.TimestampFrequency);
        _timers.Enqueue(timer, ticks);
        return timer;
    }

    /// <summary>Has something run on the loop's thread; for other threads (signals).</summary>
    public void Post(Action action)
    {
        lock (_posted)
        {
            _posted.Enqueue(action);
        }

        Unistd.WriteAll(_wake.Number, BitConverter.GetBytes(1UL));
    }

    /// <summary>Does what may wait on a thread of its own, and then <paramref name="done"/> here. For rare things: a thread costs more than the wait mostly does.</summary>
    public void RunAside(Action work, Action<Exception?> done)
    {
        var thread = new Thread(() =>
        {
            Exception? failure = null;
            try
            {
                work();
            }
#pragma warning disable CA1031 // Handed on.
            catch (Exception e)
#pragma warning restore CA1031
            {
                failure = e;
            }

            Post(() => done(failure));
        }, maxStackSize: 256 * 1024)
        { IsBackground = true };
        thread.Start();
    }

    public void Stop() => _stopped = true;

    public void Run()
    {
        var ready = new (uint Events, long Data)[32];
        var quietToCome = _onQuiet is not null;
        while (!_stopped)
        {
            // As unsigned, -1 (no timer) is more than any time.
            var untilTimer = MillisecondsToNextTimer();
            var untilQuiet = quietToCome && (uint)untilTimer > QuietMilliseconds;
            var count = SysEpoll.Wait(_epoll, ready, untilQuiet ? QuietMilliseconds : untilTimer);
            if (untilQuiet && count == 0)
            {
                quietToCome = false;
                Call(_onQuiet!);
                continue;
            }

            quietToCome = _onQuiet is not null;
            for (var i = 0; i < count; i++)
            {
                // A callback may have removed the one after it.
                if (_watches.TryGetValue(ready[i].Data, out var callback))
                {
                    Call(callback);
                }
            }

            RunTimers();
        }
    }

    public void Dispose()
    {
        _wake.Dispose();
        _epoll.Dispose();
    }

    private int MillisecondsToNextTimer()
    {
        while (_timers.TryPeek(out var timer, out var due))
        {
            if (timer.Cancelled)
            {
                _timers.Dequeue();
                continue;
            }

            var left = (due - _time.GetTimestamp()) * 1000.0 / _time.TimestampFrequency;
            return (int)Math.Clamp(Math.Ceiling(left), 0, int.MaxValue);
        }

        return -1;
    }

    private void RunTimers()
    {
        while (_timers.TryPeek(out var timer, out var due) && (timer.Cancelled || due <= _time.GetTimestamp()))
        {
            _timers.Dequeue();
            if (!timer.Cancelled)
            {
                Call(timer.Due);
            }
        }
    }

    private void RunPosted()
    {
        Unistd.Read(_wake.Number, stackalloc byte[8]);
        while (true)
        {
            Action? action;
            lock (_posted)
            {
                if (!_posted.TryDequeue(out action))
                {
                    return;
                }
            }

            Call(action);
        }
    }

    private void Call(Action callback)
    {
        try
        {
            callback();
        }
#pragma warning disable CA1031 // Logged; the other containers still need this loop.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _onError(e);
        }
    }

    private void Remove(FileDescriptor descriptor, long id)
    {
        if (_watches.Remove(id))
        {
            SysEpoll.epoll_ctl(_epoll, SysEpoll.EPOLL_CTL_DEL, descriptor.Number, 0, 0);
        }
    }

    private void Change(FileDescriptor descriptor, long id, uint events) =>
        SysEpoll.epoll_ctl(_epoll, SysEpoll.EPOLL_CTL_MOD, descriptor.Number, events, id);

    internal sealed class Registration(EventLoop loop, FileDescriptor descriptor, long id) : IDisposable
    {
        public void SetEvents(uint events) => loop.Change(descriptor, id, events);

        public void Dispose() => loop.Remove(descriptor, id);
    }

    internal sealed class Timer(Action due)
    {
        public Action Due { get; } = due;

        public bool Cancelled { get; private set; }

        public void Cancel() => Cancelled = true;
    }
}
