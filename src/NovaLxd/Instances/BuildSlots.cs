namespace NovaLxd.Instances;

/// <summary>
/// <c>max_concurrent_builds</c>. A build waits here before it takes its instance's lock, so that a delete of an instance whose build has not begun goes ahead.
/// </summary>
internal sealed class BuildSlots(InstanceOptions options) : IDisposable
{
    private readonly SemaphoreSlim? _slots = options.MaxConcurrentBuilds > 0 ? new(options.MaxConcurrentBuilds) : null;

    /// <summary>Disposing what is returned lets the next build begin.</summary>
    public async Task<IDisposable> EnterAsync(CancellationToken cancellationToken)
    {
        if (_slots is null)
        {
            return new Slot(null);
        }

        await _slots.WaitAsync(cancellationToken);
        return new Slot(_slots);
    }

    public void Dispose() => _slots?.Dispose();

    private sealed class Slot(SemaphoreSlim? slots) : IDisposable
    {
        private SemaphoreSlim? _slots = slots;

        public void Dispose() => Interlocked.Exchange(ref _slots, null)?.Release();
    }
}
