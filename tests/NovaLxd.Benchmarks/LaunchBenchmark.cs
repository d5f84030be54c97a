using NovaLxd.Benchmarks.Floor;
using NovaLxd.Virt;

namespace NovaLxd.Benchmarks;

/// <summary>
/// From a made container (image and disk there) to the first instruction of its init: port into the bridge, root, namespaces, ids, limits, filter, exec.
/// Side by side in rounds with the same system calls made bare, and with lxc-start where it is installed.
/// Beside them "lxc launch" where LXD runs, which makes the container out of its image too, as a build does.
/// </summary>
internal static class LaunchBenchmark
{
    private const long GiB = 1L << 30;

    /// <summary>LXD takes about a second each.</summary>
    private const int LxdRounds = 10;

    public static async Task RunAsync(BenchmarkHost host, int rounds, CancellationToken cancellationToken)
    {
        var bare = new Samples("floor: the same system calls, bare");
        var launch = new Samples("novalxd: SetPorts + Start");
        var ports = new Samples("  of these SetPorts");
        var start = new Samples("  of these Start");
        var lxc = new Samples("lxc-start (userns, veth, limits), returned");

        // The driver's first container makes the parent cgroups that the floor puts its own beside.
        await LaunchAsync(host, launch, ports, start, counts: false, cancellationToken);
        using var floor = await FloorProgram.StartAsync(host.ImageRoot, Path.Combine(BenchmarkHost.Folder, "floor"), cancellationToken);
        var peer = LxcStart.IsInstalled ? await LxcStart.PrepareAsync(host.ImageRoot, cancellationToken) : null;
        for (var round = -BenchmarkOptions.WarmUp; round < rounds; round++)
        {
            var counts = round >= 0;
            var took = await floor.LaunchAsync(cancellationToken);
            if (counts)
            {
                bare.Add(took);
            }

            await LaunchAsync(host, launch, ports, start, counts, cancellationToken);
            if (peer is not null && counts && round % 3 == 0)
            {
                await lxc.MeasureAsync(() => peer.StartAsync(cancellationToken));
                await peer.StopAsync(cancellationToken);
            }
        }

        var (lxd, reason) = await MeasureLxdAsync(host, cancellationToken);
        Samples.Print("Launch, from container spec to the first instruction of init", [bare, launch, ports, start, lxc, lxd], bare);
        Console.WriteLine(peer is null ? "  lxc-start is not installed here (apt-get install --no-install-recommends lxc)." : "  lxc-start's time has that of starting its program in it, the others have not.");
        Console.WriteLine(reason.Length > 0 ? $"  No comparison with LXD: {reason}." : "  lxc launch's time has that of its client and of making the container in it.");
    }

    private static async Task<(Samples Samples, string Reason)> MeasureLxdAsync(BenchmarkHost host, CancellationToken cancellationToken)
    {
        var samples = new Samples("lxc launch (LXD), returned");
        var (lxd, reason) = await LxdLaunch.PrepareAsync(host.ImageRoot, cancellationToken);
        if (lxd is null)
        {
            return (samples, reason);
        }

        try
        {
            for (var round = 0; round < LxdRounds; round++)
            {
                try
                {
                    await samples.MeasureAsync(() => lxd.LaunchAsync(cancellationToken));
                }
                finally
                {
                    await lxd.DeleteAsync(CancellationToken.None);
                }
            }
        }
        finally
        {
            await lxd.RemoveImageAsync();
        }

        return (samples, "");
    }

    private static async Task LaunchAsync(BenchmarkHost host, Samples launch, Samples ports, Samples start, bool counts, CancellationToken cancellationToken)
    {
        var spec = host.NewSpec(GiB);
        await host.Driver.CreateAsync(spec, cancellationToken);
        var took = await ports.MeasureAsync(() => host.Driver.SetPortsAsync(spec.Id, [host.NewPort()], cancellationToken), counts);
        took += await start.MeasureAsync(() => host.Driver.StartAsync(spec.Id, cancellationToken), counts);
        if (counts)
        {
            launch.Add(took);
        }

        await host.Driver.DeleteAsync(spec.Id, cancellationToken);
    }
}
