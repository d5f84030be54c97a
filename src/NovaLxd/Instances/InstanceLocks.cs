namespace NovaLxd.Instances;

/// <summary>
/// One lock for each instance that something is being done to, in the order of asking. A build holds its instance's for the whole time, so that a
/// delete that arrives meanwhile waits.
/// </summary>
internal sealed class InstanceLocks
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = [];

    /// <summary>Instances locked or waited for.</summary>
    internal int Count
    {
        get
        {
            lock (_lock)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>Waits for the lock; disposing what is returned lets the next one in.</summary>
    internal async Task<IDisposable> AcquireAsync(string instanceUuid, CancellationToken cancellationToken)
    {
        var entry = Enter(instanceUuid);
        try
        {
            await entry.Semaphore.WaitAsync(cancellationToken);
        }
        catch
        {
            Leave(instanceUuid, entry);
            throw;
        }

        return new Holder(() =>
        {
            entry.Semaphore.Release();
            Leave(instanceUuid, entry);
        });
    }

    private Entry Enter(string instanceUuid)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue(instanceUuid, out var entry))
            {
                _entries[instanceUuid] = entry = new Entry();
            }

            entry.Users++;
            return entry;
        }
    }

    private void Leave(string instanceUuid, Entry entry)
    {
        lock (_lock)
        {
            if (--entry.Users == 0)
            {
                _entries.Remove(instanceUuid);
                entry.Semaphore.Dispose();
            }
        }
    }

    private sealed class Entry
    {
        internal SemaphoreSlim Semaphore { get; } = new(1, 1);

        internal int Users { get; set; }
    }

    private sealed class Holder(Action release) : IDisposable
    {
        private Action? _release = release;

        public void Dispose() => Interlocked.Exchange(ref _release, null)?.Invoke();
    }
}
