namespace NovaLxd.Supervisor;

/// <summary>
/// Gives memory back when there is nothing to do: what launches leave is garbage at once, and the collector by itself would let it lie until megabytes have
/// come together, in a process that is to be small while a hundred containers run.
/// </summary>
internal sealed class MemoryTrim(EventLoop loop)
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(1);
    private EventLoop.Timer? _timer;

    /// <summary>Something was done; some quiet time after the last such call the memory is given back.</summary>
    public void Touch()
    {
        _timer?.Cancel();
        _timer = loop.After(Quiet, () => GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true));
    }
}
