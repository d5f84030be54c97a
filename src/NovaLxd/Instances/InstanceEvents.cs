using System.Collections.Concurrent;

namespace NovaLxd.Instances;

/// <summary>An event that another service reports about an instance: its name ("network-vif-plugged") and what it is about (a port id).</summary>
internal readonly record struct ExternalEvent(string Name, string? Tag)
{
    public override string ToString() => Tag is null ? Name : $"{Name}-{Tag}";
}

/// <summary>
/// Who waits for which external event (nova/compute/manager.py:InstanceEvents). A waiter is registered before the step that causes the event, because
/// the event may come before that step returns.
/// </summary>
internal sealed class InstanceEvents
{
    private readonly ConcurrentDictionary<Guid, ConcurrentDictionary<ExternalEvent, TaskCompletionSource<string>>> _waiting = new();

    /// <summary>Registers a wait for each event; disposing the result ends it.</summary>
    public EventWait Prepare(Guid instance, IEnumerable<ExternalEvent> events)
    {
        var waiting = _waiting.GetOrAdd(instance, static _ => new());
        var mine = events.Distinct().ToDictionary(e => e, e => waiting.GetOrAdd(e, static _ => new(TaskCreationOptions.RunContinuationsAsynchronously)));
        return new EventWait(mine, () => Remove(instance, mine));
    }

    /// <summary>Hands an event to who waits for it; false when nobody does.</summary>
    /// <param name="status">"completed" or "failed".</param>
    public bool Resolve(Guid instance, ExternalEvent what, string status) =>
        _waiting.TryGetValue(instance, out var waiting) && waiting.TryGetValue(what, out var source) && source.TrySetResult(status);

    /// <summary>Ends every wait for an instance that is being deleted.</summary>
    public void Cancel(Guid instance)
    {
        if (_waiting.TryRemove(instance, out var waiting))
        {
            foreach (var source in waiting.Values)
            {
                source.TrySetCanceled();
            }
        }
    }

    private void Remove(Guid instance, Dictionary<ExternalEvent, TaskCompletionSource<string>> mine)
    {
        if (_waiting.TryGetValue(instance, out var waiting))
        {
            foreach (var entry in mine)
            {
                waiting.TryRemove(entry);
            }

            if (waiting.IsEmpty)
            {
                _waiting.TryRemove(instance, out _);
            }
        }
    }
}

/// <summary>A registered wait.</summary>
internal sealed class EventWait(IReadOnlyDictionary<ExternalEvent, TaskCompletionSource<string>> events, Action remove) : IDisposable
{
    /// <summary>Returns when all events came; false when one of them says "failed".</summary>
    /// <exception cref="TimeoutException">Naming the events that did not come.</exception>
    /// <exception cref="TaskCanceledException">The instance is being deleted.</exception>
    public async Task<bool> WaitAsync(TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            var statuses = await Task.WhenAll(events.Values.Select(s => s.Task)).WaitAsync(timeout, time, cancellationToken);
            return statuses.All(s => s == "completed");
        }
        catch (TimeoutException)
        {
            var missing = events.Where(e => !e.Value.Task.IsCompleted).Select(e => e.Key.ToString());
            throw new TimeoutException($"Waited {timeout.TotalSeconds:0} s for {string.Join(", ", missing)}");
        }
    }

    public void Dispose() => remove();
}
