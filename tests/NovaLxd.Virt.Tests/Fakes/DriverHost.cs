using Microsoft.Extensions.Logging.Abstractions;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Tests.Fakes;

/// <summary>A driver over fakes, which can die and be started again while they live on.</summary>
internal sealed class DriverHost : IAsyncDisposable
{
    public DriverHost(uint idMapSize = 1_000_000)
    {
        Engine = new FakeEngine(Journal);
        Storage = new FakeStorage(Journal);
        Plug = new FakePlug(Journal);
        Options = new VirtOptions { StateDirectory = Directory.CreateTempSubdirectory("nlt-state-").FullName, IdMapSize = idMapSize };
        Driver = NewDriver();
    }

    public Journal Journal { get; } = new();

    public FakeEngine Engine { get; }

    public FakeStorage Storage { get; }

    public FakePlug Plug { get; }

    public FakeHost Host { get; } = new();

    /// <summary>Those of the next driver.</summary>
    public VirtOptions Options { get; set; }

    public ContainerDriver Driver { get; private set; }

    /// <summary>A driver that has found what there is.</summary>
    public static async Task<DriverHost> StartAsync(uint idMapSize = 1_000_000)
    {
        var host = new DriverHost(idMapSize);
        await host.Driver.InitializeAsync(CancellationToken.None);
        host.Journal.Take();
        return host;
    }

    /// <summary>The service dies and comes back.</summary>
    public async Task RestartAsync()
    {
        await Driver.DisposeAsync();
        Driver = NewDriver();
        Journal.Take();
        await Driver.InitializeAsync(CancellationToken.None);
    }

    public static ContainerSpec Spec(string name = "c1", Guid? id = null) => new()
    {
        Id = id ?? Guid.NewGuid(),
        Name = name,
        Hostname = name,
        ImageKey = "image",
        Files = [new InjectedFile("/etc/secret", "hush"u8.ToArray())],
    };

    public static PortSpec Port(int number, string vifType = "bridge") => new()
    {
        Id = new Guid(number, 0, 0, new byte[8]),
        VifType = vifType,
        MacAddress = $"fa:16:3e:00:00:0{number}",
        HostDevice = $"tap{number}",
        Bridge = "brq",
        Details = new Dictionary<string, string> { ["iface-id"] = $"{number}" },
    };

    /// <summary>Created with ports tap1 and tap2.</summary>
    public async Task<ContainerSpec> CreateWithPortsAsync(string name = "c1")
    {
        var spec = Spec(name);
        await Driver.CreateAsync(spec, CancellationToken.None);
        await Driver.SetPortsAsync(spec.Id, [Port(1), Port(2)], CancellationToken.None);
        Journal.Take();
        return spec;
    }

    public async Task<ContainerSpec> CreateRunningAsync(string name = "c1")
    {
        var spec = await CreateWithPortsAsync(name);
        await Driver.StartAsync(spec.Id, CancellationToken.None);
        Journal.Take();
        return spec;
    }

    public async ValueTask DisposeAsync()
    {
        await Driver.DisposeAsync();
        Host.Dispose();
        Directory.Delete(Options.StateDirectory, true);
    }

    private ContainerDriver NewDriver() => new(
        Options, Engine, Storage, Plug, Host.Inspect(Options), new IdRanges(Options.IdMapBase, Options.IdMapSize, []),
        port => Plug.Plugged.ContainsKey(port.HostDevice) ? new PortUsage(port.Id, port.MacAddress, 1, 2, 3, 4, 5, 6, 7, 8) : null,
        (path, _) => System.Text.Encoding.UTF8.GetBytes($"from {Path.GetFileName(path)}"), TimeProvider.System, NullLogger<ContainerDriver>.Instance);
}
