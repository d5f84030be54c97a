using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using NovaLxd.Rpc;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Hosting;

/// <summary>
/// Gives memory back when nothing is going on: what start-up or a burst of builds needed, runtime and kernel would keep until the next burst, and the host's
/// memory is for its guests. While anything is being done it stays out of the way.
/// </summary>
internal sealed partial class IdleMemory(ComputeRpcServer server, TimeProvider time, ILogger<IdleMemory> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    /// <summary>Bytes allocated since the last time that make it worth while: it takes tens of milliseconds, for which all threads are stopped.</summary>
    private const long Worth = 1 << 20;

    /// <summary>Bytes allocated in an interval below which it counts as quiet; reports and periodic tasks of an idle host mostly are.</summary>
    private const long Quiet = 1 << 20;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        var (released, before) = (0L, 0L);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            var allocated = GC.GetTotalAllocatedBytes();
            if (allocated - released >= Worth && allocated - before < Quiet && server.InProgress.Count == 0)
            {
                Release();
                allocated = released = GC.GetTotalAllocatedBytes();
            }

            before = allocated;
        }
    }

    private void Release()
    {
        var before = Environment.WorkingSet;

        // Assemblies are never unloaded here, and neither are the runtime's libraries.
        var assemblies = AppDomain.CurrentDomain.GetAssemblies().Where(a => !a.IsDynamic).Select(a => a.Location).ToHashSet(StringComparer.Ordinal);
        ProgramPages.Release(path => assemblies.Contains(path) || Path.GetFileName(path).Contains(".so", StringComparison.Ordinal));
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        ProgramPages.TrimHeap();
        LogReleased(before >> 20, Environment.WorkingSet >> 20);
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Memory given back: {Before} MiB resident before, {After} MiB after")]
    private partial void LogReleased(long before, long after);
}
