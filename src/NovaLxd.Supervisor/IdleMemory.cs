using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <summary>
/// Gives memory back when nothing is going on. A launch allocates several hundred KiB of steps and messages, and the collector would keep what a burst of them needed
/// until the next burst; this process is resident for as long as the host is up, and mostly waits.
/// </summary>
internal sealed class IdleMemory
{
    /// <summary>Bytes allocated since the last time that make a collection (a few milliseconds) worth while: less than one launch needs.</summary>
    private const long Worth = 256 << 10;

    private long _allocated;

    public void Release()
    {
        if (GC.GetTotalAllocatedBytes() - _allocated >= Worth)
        {
            // As a native program it is one file, and what it links to.
            ProgramPages.Release(path => path == Environment.ProcessPath || Path.GetFileName(path).Contains(".so", StringComparison.Ordinal));
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            ProgramPages.TrimHeap();
            _allocated = GC.GetTotalAllocatedBytes();
        }
    }
}
