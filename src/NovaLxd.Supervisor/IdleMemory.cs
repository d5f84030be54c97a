namespace NovaLxd.Supervisor;

/// <summary>
/// Gives memory back when nothing is going on. A launch allocates several hundred KiB of steps and messages, and the collector would keep what a burst of them needed
/// until the next burst; this process is resident for as long as the host is up, and mostly waits.
/// </summary>
internal sealed class IdleMemory
{
    /// <summary>Bytes allocated since the last time that make a collection (a few milliseconds) worth while.</summary>
    private const long Worth = 1 << 20;

    private long _allocated;

    public void Release()
    {
        if (GC.GetTotalAllocatedBytes() - _allocated >= Worth)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            _allocated = GC.GetTotalAllocatedBytes();
        }
    }
}
