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
        await Task.Delay(Watched, cancellationToken);
        Say($"Idle, {Instances} instances running, {Watched.TotalSeconds:F0} s without a request");
        Say($"  service: just started {fresh}; right after the builds {busy}; idle {ProcessMemory.Of(service)}");
        Say($"  service: processor {(ProcessMemory.ProcessorTime(service) - used.Service) / Watched:P2} of a core");
        Say($"  supervisor: {ProcessMemory.Of(supervisor)}; processor {(ProcessMemory.ProcessorTime(supervisor) - used.Supervisor) / Watched:P2} of a core");
        return true;
    }

    private static void Say(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
