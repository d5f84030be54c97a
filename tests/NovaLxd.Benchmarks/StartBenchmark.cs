using System.Diagnostics;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.RabbitMq;

namespace NovaLxd.Benchmarks;

/// <summary>From starting the program until the control plane has its report ("up"), which is the last thing it does before it serves. The control plane answers all along.</summary>
internal static class StartBenchmark
{
    private const int Rounds = 10;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(2);

    public static async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        await using var broker = await RabbitMqFixture.StartAsync();
        await using var site = await ComputeSite.StartAsync(broker, BenchmarkSite.Settings, run: false, program: options.Service);
        var (first, again) = (new Samples("new host, no supervisor yet"), new Samples("known host, supervisor running"));
        for (var round = 0; round <= Rounds; round++)
        {
            await (round == 0 ? first : again).MeasureAsync(() => StartAsync(site, cancellationToken));
            await site.ProgramServesAsync(round + 1);
            await site.Program.KillAsync();
        }

        Samples.Print("Start, from the program's start until the control plane has its report", [first, again]);
        return true;
    }

    private static async Task StartAsync(ComputeSite site, CancellationToken cancellationToken)
    {
        var before = Reports(site);
        site.Program.Start();
        await site.UntilAsync("the service has reported", async () =>
        {
            // Finer than the tests poll.
            await Task.Delay(Poll, cancellationToken);
            return Reports(site) > before;
        });
    }

    private static int Reports(ComputeSite site) => site.Plane.Conductor.Locked(c => c.Services.Sum(s => (int)s["report_count"]!));
}
