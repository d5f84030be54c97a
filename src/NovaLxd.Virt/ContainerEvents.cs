using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace NovaLxd.Virt;

/// <summary>
/// Passes on the engine's events to whoever watches, those of one container in order. A container that ended is released first, so that who reads of it
/// finds its ports unplugged and may start it again. Events of different containers do not wait for each other.
/// </summary>
/// <param name="releaseEnded">Releases a container if it does not run.</param>
/// <param name="resume">Called when the engine's events were interrupted: finds out what happened meanwhile.</param>
internal sealed class ContainerEvents(
    IContainerEngine engine, Func<Guid, CancellationToken, Task> releaseEnded, Func<CancellationToken, Task> resume, TimeProvider time, ILogger logger)
    : IAsyncDisposable
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _gate = new();
    private readonly HashSet<Channel<ContainerEvent>> _watchers = [];
    private readonly Dictionary<Guid, Task> _tails = [];
    private Task _pump = Task.CompletedTask;
    private int _disposed;

    /// <summary>Begins to listen; everything the engine reports from now on is passed on.</summary>
    public void Start()
    {
        var events = engine.WatchAsync(_stopping.Token);
        _pump = PumpAsync(events, _stopping.Token);
    }

    public void Publish(ContainerEvent happened)
    {
        lock (_gate)
        {
            foreach (var watcher in _watchers)
            {
                watcher.Writer.TryWrite(happened);
            }
        }
    }

    /// <summary>Everything published from the moment of this call on, until cancelled.</summary>
    public IAsyncEnumerable<ContainerEvent> WatchAsync(CancellationToken cancellationToken)
    {
        var watcher = Channel.CreateUnbounded<ContainerEvent>(new UnboundedChannelOptions { SingleReader = true });
        lock (_gate)
        {
            _watchers.Add(watcher);
        }

        return ReadAsync(watcher, cancellationToken);
    }

    /// <summary>Ends listening and all watches; a second time does nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _stopping.CancelAsync().ConfigureAwait(false);
        await _pump.ConfigureAwait(false);
        Task[] tails;
        lock (_gate)
        {
            tails = [.. _tails.Values];
            foreach (var watcher in _watchers)
            {
                watcher.Writer.TryComplete();
            }
        }

        await Task.WhenAll(tails).ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async IAsyncEnumerable<ContainerEvent> ReadAsync(Channel<ContainerEvent> watcher, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var happened in watcher.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                yield return happened;
            }
        }
        finally
        {
            lock (_gate)
            {
                _watchers.Remove(watcher);
            }
        }
    }

    /// <summary>Reads until stopped; a supervisor that went away is looked for again, as the service must outlive it.</summary>
    private async Task PumpAsync(IAsyncEnumerable<ContainerEvent> events, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await foreach (var happened in events.WithCancellation(cancellationToken).ConfigureAwait(false))
                {
                    Enqueue(happened);
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // Whatever broke the stream, listening goes on.
            catch (Exception e)
#pragma warning restore CA1031
            {
                logger.LogWarning(e, "The engine's events broke off; looking for the supervisor again");
            }

            try
            {
                await Task.Delay(RetryDelay, time, cancellationToken).ConfigureAwait(false);
                await engine.ConnectAsync(cancellationToken).ConfigureAwait(false);
                events = engine.WatchAsync(cancellationToken);
                await resume(cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // Tried again.
            catch (Exception e)
#pragma warning restore CA1031
            {
                logger.LogError(e, "The supervisor cannot be reached");
            }
        }
    }

    private void Enqueue(ContainerEvent happened)
    {
        lock (_gate)
        {
            var tail = PassOnAsync(_tails.GetValueOrDefault(happened.Id, Task.CompletedTask), happened);
            if (tail.IsCompleted)
            {
                _tails.Remove(happened.Id);
                return;
            }

            _tails[happened.Id] = tail;
            _ = RemoveWhenDoneAsync(happened.Id, tail);
        }
    }

    private async Task PassOnAsync(Task before, ContainerEvent happened)
    {
        await before.ConfigureAwait(false);
        if (happened.Kind is ContainerEventKind.Stopped or ContainerEventKind.Crashed)
        {
            try
            {
                await releaseEnded(happened.Id, _stopping.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return; // The next start finds it.
            }
#pragma warning disable CA1031 // The event is true all the same.
            catch (Exception e)
#pragma warning restore CA1031
            {
                logger.LogError(e, "Container {Container} ended, but not all it had could be taken away; its next start, stop or deletion tries again", happened.Id);
            }
        }

        Publish(happened);
    }

    private async Task RemoveWhenDoneAsync(Guid id, Task tail)
    {
        await tail.ConfigureAwait(false);
        lock (_gate)
        {
            if (_tails.GetValueOrDefault(id) == tail)
            {
                _tails.Remove(id);
            }
        }
    }
}
