using System.Globalization;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.RabbitMq;

namespace NovaLxd.Benchmarks;

/// <summary>What service and supervisor hold and use while so many instances run and nobody asks for anything.</summary>
internal static class IdleBenchmark
{
    private const int Instances = 30;

    /// <summary>Long enough for every task that comes once a minute, and several reports that the service is alive.</summary>
    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(70);

    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    public static async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        await using var broker = await RabbitMqFixture.StartAsync();
        await using var site = await ComputeSite.StartAsync(broker, BenchmarkSite.Settings, run: false, program: options.Service);
        site.Program.Start();
        await site.ProgramServesAsync();
        var (service, supervisor) = (site.Program.Pid, site.SupervisorPid!.Value);
        var fresh = ProcessMemory.Of(service);
        var image = site.AddImage();
        for (var i = 0; i < Instances; i++)
        {
            await site.CreateActiveAsync(new ServerRequest { ImageId = image });
        }

        var busy = ProcessMemory.Of(service);
        var used = (Service: ProcessMemory.ProcessorTime(service), Supervisor: ProcessMemory.ProcessorTime(supervisor));
        var idle = await WatchAsync(service, cancellationToken);
        Say($"Idle, {Instances} instances running, {Watched.TotalSeconds:F0} s without a request");
        Say($"  service: just started {fresh}; right after the builds {busy}");
        Say($"  service: idle, median {idle[idle.Count / 2]}; most {idle[^1]}");
        Say($"  service: processor {(ProcessMemory.ProcessorTime(service) - used.Service) / Watched:P2} of a core");
        Say($"  supervisor: {ProcessMemory.Of(supervisor)}; processor {(ProcessMemory.ProcessorTime(supervisor) - used.Supervisor) / Watched:P2} of a core");
        return true;
    }

    /// <returns>Looks at the process, second by second but for the first ones, in which the builds are still felt; the smallest first.</returns>
    private static async Task<IReadOnlyList<ProcessMemory>> WatchAsync(int process, CancellationToken cancellationToken)
    {
        await Task.Delay(Settling, cancellationToken);
        var looks = new List<ProcessMemory>();
        for (var waited = Settling; waited < Watched; waited += Second)
        {
            await Task.Delay(Second, cancellationToken);
            looks.Add(ProcessMemory.Of(process));
        }

        return [.. looks.OrderBy(look => look.Rss)];
    }

    private static void Say(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
