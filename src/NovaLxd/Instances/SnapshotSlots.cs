namespace NovaLxd.Instances;

/// <summary><c>max_concurrent_snapshots</c>: each reads a whole root file system, compresses it and sends it away. Backups do not count, as in Nova.</summary>
internal sealed class SnapshotSlots(InstanceOptions options) : IDisposable
{
    private readonly SemaphoreSlim? _slots = options.MaxConcurrentSnapshots > 0 ? new(options.MaxConcurrentSnapshots) : null;

    /// <summary>Disposing what is returned lets the next snapshot begin.</summary>
    public async Task<IDisposable> EnterAsync(CancellationToken cancellationToken)
    {
        if (_slots is not null)
        {
            await _slots.WaitAsync(cancellationToken);
        }

        return new Slot(_slots);
    }

    public void Dispose() => _slots?.Dispose();

    private sealed class Slot(SemaphoreSlim? slots) : IDisposable
    {
        private SemaphoreSlim? _slots = slots;

        public void Dispose() => Interlocked.Exchange(ref _slots, null)?.Release();
    }
}
