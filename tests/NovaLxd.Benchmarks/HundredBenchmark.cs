using System.Diagnostics;
using System.Globalization;

namespace NovaLxd.Benchmarks;

/// <summary>A hundred containers made and launched four at a time, what the supervisor holds resident meanwhile, and what it does when nothing happens.</summary>
internal static class HundredBenchmark
{
    private const int Containers = 100;
    private const int Side = 4;
    private const int End = 10;

    /// <summary>The supervisor gives memory back when it has had nothing to do for a second.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(3);

    public static async Task RunAsync(BenchmarkHost host, int rounds, CancellationToken cancellationToken)
    {
        var supervisor = host.SupervisorPid;
        var fresh = ProcessMemory.Of(supervisor);
        for (var i = 0; i < BenchmarkOptions.WarmUp; i++)
        {
            await host.Driver.DeleteAsync(await LaunchAsync(host, cancellationToken), cancellationToken);
        }

        var busy = ProcessMemory.Of(supervisor);
        await Task.Delay(Settling, cancellationToken);
        var idle = ProcessMemory.Of(supervisor);
        var took = new double[Containers];
        var begun = Stopwatch.GetTimestamp();
        await Parallel.ForAsync(0, Containers, Limit(cancellationToken), async (i, token) =>
        {
            var own = Stopwatch.GetTimestamp();
            await LaunchAsync(host, token);
            took[i] = Stopwatch.GetElapsedTime(own).TotalMilliseconds;
        });
        var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        await Task.Delay(Settling, cancellationToken);
        var full = ProcessMemory.Of(supervisor);
        var used = ProcessMemory.ProcessorTime(supervisor);
        await Task.Delay(TimeSpan.FromSeconds(5), cancellationToken);
        used = ProcessMemory.ProcessorTime(supervisor) - used;

        var (first, last) = (new Samples($"first {End}"), new Samples($"last {End}"));
        Array.ForEach(took[..End], first.Add);
        Array.ForEach(took[^End..], last.Add);
        begun = Stopwatch.GetTimestamp();
        var containers = await host.Driver.ListAsync(cancellationToken);
        await Parallel.ForEachAsync(containers, Limit(cancellationToken), async (container, token) => await host.Driver.DeleteAsync(container.Id, token));
        var deletion = Stopwatch.GetElapsedTime(begun).TotalSeconds;

        Samples.Print($"{Containers} containers with a 1 GiB disk and a port, Create + SetPorts + Start, {Side} at a time", [first, last], first);
        Say($"  launched at {Containers / seconds:F1} a second ({seconds:F2} s), deleted at {Containers / deletion:F1} a second ({deletion:F2} s)");
        Say($"Supervisor (native): just started {fresh}; right after {BenchmarkOptions.WarmUp} launches {busy}; idle {idle}; with {Containers} containers {full}");
        Say($"  of ours resident per container: {(full.Pss - idle.Pss) / 1024.0 / Containers:F1} KiB PSS; processor while {Containers} run: {used.TotalSeconds / 5:P2} of a core");
    }

    private static ParallelOptions Limit(CancellationToken cancellationToken) => new() { MaxDegreeOfParallelism = Side, CancellationToken = cancellationToken };

    private static async Task<Guid> LaunchAsync(BenchmarkHost host, CancellationToken cancellationToken)
    {
        var spec = host.NewSpec(1L << 30);
        await host.Driver.CreateAsync(spec, cancellationToken);
        await host.Driver.SetPortsAsync(spec.Id, [host.NewPort()], cancellationToken);
        await host.Driver.StartAsync(spec.Id, cancellationToken);
        return spec.Id;
    }

    private static void Say(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
