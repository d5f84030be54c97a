using Microsoft.Extensions.DependencyInjection;
using NovaLxd.Configuration;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.RabbitMq;

namespace NovaLxd.Benchmarks;

/// <summary>
/// build_and_run_instance from its reception until ACTIVE is saved, one after the other, the image cached. What is ours of it: less the time in which a request to
/// conductor, Neutron, Placement, Glance or Keystone was open or Neutron's word about the port was waited for, which the service's own instruments tell.
/// </summary>
internal static class BuildBenchmark
{
    public static async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        await using var broker = await RabbitMqFixture.StartAsync();
        await using var site = await ComputeSite.StartAsync(broker, BenchmarkSite.Settings, run: false);
        await site.StartServiceAsync(services => services.AddSingleton(p =>
            p.GetRequiredService<LxdOptions>().ToVirtOptions(p.GetRequiredService<ServiceOptions>()) with { SupervisorPath = options.Supervisor }));
        await site.ServingAsync();
        using var timeline = new ServiceTimeline();
        site.Plane.Interfere = (name, args) =>
        {
            timeline.Saving(name, (string?)args["objinst"]?["nova_object.data"]?["vm_state"]);
            return Task.CompletedTask;
        };

        var image = site.AddImage();
        var (all, own) = (new Samples("received to ACTIVE saved"), new Samples("  ours: less all waiting for others"));
        var waits = new SortedDictionary<string, Samples>(StringComparer.Ordinal);
        for (var round = -BenchmarkOptions.WarmUp; round < options.Rounds; round++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            timeline.Clear();
            var server = await site.CreateActiveAsync(new ServerRequest { ImageId = image });
            await site.UntilAsync("the build is measured", () => Task.FromResult(timeline.IsBuildOver));
            if (round >= 0)
            {
                var build = timeline.TakeBuild();
                all.Add(build.Total);
                own.Add(build.Total - build.Waited);
                foreach (var (whom, milliseconds) in build.Waits)
                {
                    waits.TryAdd(whom, new Samples($"  waiting for {whom}"));
                    waits[whom].Add(milliseconds);
                }
            }

            await site.DeleteAsync(server);
        }

        Samples.Print("Build, from build_and_run_instance received to ACTIVE saved, image cached", [all, own, .. waits.Values]);
        return true;
    }
}
