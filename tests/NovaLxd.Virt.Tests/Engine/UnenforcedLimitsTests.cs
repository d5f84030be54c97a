using NovaLxd.Virt.Engine;

namespace NovaLxd.Virt.Tests.Engine;

[Trait("Lane", "root")]
public sealed class UnenforcedLimitsTests : IAsyncLifetime
{
    private EngineHost _host = null!;

    public async Task InitializeAsync() => _host = await EngineHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    /// <summary>Of all limits there are, this host may lack some or none: the cgroup of another container with the same ones says which.</summary>
    [Fact]
    public async Task EachIsLoggedOncePerLaunch()
    {
        var spec = _host.NewSpec() with
        {
            Limits = new ResourceLimits { Cpus = 0.5, MemoryBytes = 256 << 20, SwapBytes = 0, Pids = 200, DiskReadBytesPerSecond = 1 << 20 },
        };
        var cgroups = Virt.Cgroups.Cgroups.Detect(_host.Options.StateDirectory);
        var twin = cgroups.Create(spec.CgroupParent, _host.Mark + "-twin", spec.Limits, null);
        var expected = twin.Unenforced.Select(sentence => $"{spec.Name}: {sentence}").ToArray();
        twin.Remove();

        await _host.Engine.LaunchAsync(spec, CancellationToken.None);

        var log = await File.ReadAllLinesAsync(Path.Combine(_host.Options.RuntimeDirectory, "supervisor.log"));
        var logged = log.Select(line => line.IndexOf($" WARNING supervisor {spec.Name}: ", StringComparison.Ordinal) is var at && at >= 0
            ? line[(line.IndexOf(" supervisor ", at, StringComparison.Ordinal) + " supervisor ".Length)..]
            : null).OfType<string>();
        Assert.Equal(expected, logged);
    }
}
