namespace NovaLxd.Virt;

/// <summary>One lock for each container, there only while somebody holds or awaits it. Calls for different containers do not meet.</summary>
internal sealed class ContainerLocks
{
    private readonly Dictionary<Guid, Entry> _entries = [];

    /// <summary>Waits until nobody else works on the container; disposal lets the next one in.</summary>
    public async Task<IDisposable> LockAsync(Guid id, CancellationToken cancellationToken)
    {
        Entry entry;
        lock (_entries)
        {
            if (!_entries.TryGetValue(id, out entry!))
            {
                _entries.Add(id, entry = new Entry());
            }

            entry.Users++;
        }

        try
        {
            await entry.Semaphore.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            Leave(id, entry);
            throw;
        }

        return new Holder(this, id, entry);
    }

    /// <summary>How many containers are being worked on.</summary>
    internal int Count
    {
        get
        {
            lock (_entries)
            {
                return _entries.Count;
            }
        }
    }

    private void Leave(Guid id, Entry entry)
    {
        lock (_entries)
        {
            if (--entry.Users == 0)
            {
                _entries.Remove(id);
                entry.Semaphore.Dispose();
            }
        }
    }

    private sealed class Entry
    {
        public SemaphoreSlim Semaphore { get; } = new(1, 1);

        public int Users { get; set; }
    }

    private sealed class Holder(ContainerLocks locks, Guid id, Entry entry) : IDisposable
    {
        private int _disposed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                entry.Semaphore.Release();
                locks.Leave(id, entry);
            }
        }
    }
}
