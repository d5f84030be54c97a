namespace NovaLxd.Benchmarks;

/// <summary>A container's whole life with a root disk of 1 GiB (sparse ext4, loop device, overlay), step by step.</summary>
internal static class StorageBenchmark
{
    private static readonly string[] Steps =
    [
        "Create (record, disk, loop, mount, overlay)",
        "SetPorts (veth, bridge)",
        "Start (to init's first instruction)",
        "Stop (kill, unmount, unplug)",
        "Start again (with mount and plug)",
        "Stop",
        "Delete",
    ];

    public static async Task RunAsync(BenchmarkHost host, int rounds, CancellationToken cancellationToken)
    {
        var steps = Steps.Select(name => new Samples(name)).ToArray();
        for (var round = -BenchmarkOptions.WarmUp / 2; round < rounds; round++)
        {
            var (driver, spec, port) = (host.Driver, host.NewSpec(1L << 30), host.NewPort());
            Func<Task>[] calls =
            [
                () => driver.CreateAsync(spec, cancellationToken),
                () => driver.SetPortsAsync(spec.Id, [port], cancellationToken),
                () => driver.StartAsync(spec.Id, cancellationToken),
                () => driver.StopAsync(spec.Id, TimeSpan.Zero, cancellationToken),
                () => driver.StartAsync(spec.Id, cancellationToken),
                () => driver.StopAsync(spec.Id, TimeSpan.Zero, cancellationToken),
                () => driver.DeleteAsync(spec.Id, cancellationToken),
            ];
            for (var i = 0; i < calls.Length; i++)
            {
                await steps[i].MeasureAsync(calls[i], counts: round >= 0);
            }
        }

        Samples.Print("Life of a container with a 1 GiB root disk", steps);
    }
}
