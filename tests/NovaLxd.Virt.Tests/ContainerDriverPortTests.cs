using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests;

/// <summary>SetPorts: exactly the ports named, in order, and back to what was when it fails.</summary>
public sealed class ContainerDriverPortTests : IAsyncLifetime
{
    private readonly CancellationToken _token = CancellationToken.None;
    private DriverHost _host = null!;

    private ContainerDriver Driver => _host.Driver;

    public async Task InitializeAsync() => _host = await DriverHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task TheSamePortsAgainDoNothingAlsoWhileItRuns()
    {
        var spec = await _host.CreateWithPortsAsync();
        await Driver.SetPortsAsync(spec.Id, [DriverHost.Port(1), DriverHost.Port(2)], _token);
        await Driver.StartAsync(spec.Id, _token);
        _host.Journal.Take();
        await Driver.SetPortsAsync(spec.Id, [DriverHost.Port(1), DriverHost.Port(2)], _token);
        Assert.Empty(_host.Journal.Take());
    }

    [Fact]
    public async Task AGuestThatRunsIsGivenWhatItLacksAndLosesNothing()
    {
        var spec = await _host.CreateRunningAsync();
        await Driver.SetPortsAsync(spec.Id, [DriverHost.Port(2), DriverHost.Port(3)], _token);
        Assert.Equal(["plug tap3 eth2", "attach tap3 eth2"], _host.Journal.Take());
        Assert.Equal(["tap1", "tap2", "tap3"], (await Driver.FindAsync(spec.Id, _token))!.Ports.Select(port => port.HostDevice));
    }

    [Fact]
    public async Task TheSamePortsAreStillTheSameAfterARestart()
    {
        var spec = await _host.CreateWithPortsAsync();
        await _host.RestartAsync();
        _host.Journal.Take();
        await Driver.SetPortsAsync(spec.Id, [DriverHost.Port(1), DriverHost.Port(2)], _token);
        Assert.Empty(_host.Journal.Take());
    }

    [Fact]
    public async Task APortNoLongerNamedIsUnpluggedAndTheOrderIsNew()
    {
        var spec = await _host.CreateWithPortsAsync();
        await Driver.SetPortsAsync(spec.Id, [DriverHost.Port(3), DriverHost.Port(2)], _token);
        Assert.Equal(["unplug tap1", "plug tap3 eth0", "plug tap2 eth1"], _host.Journal.Take());
        Assert.Equal(["tap3", "tap2"], (await Driver.FindAsync(spec.Id, _token))!.Ports.Select(port => port.HostDevice));
        await Driver.SetPortsAsync(spec.Id, [], _token);
        Assert.Empty(_host.Plug.Plugged);
    }

    [Fact]
    public async Task APortThatChangesItsTypeIsUnpluggedByTheOldOne()
    {
        var spec = await _host.CreateWithPortsAsync();
        await Driver.SetPortsAsync(spec.Id, [DriverHost.Port(1, "ovs"), DriverHost.Port(2)], _token);
        Assert.Equal(["unplug tap1", "plug tap1 eth0", "plug tap2 eth1"], _host.Journal.Take());
        Assert.Equal("ovs", _host.Plug.Plugged["tap1"].VifType);
    }

    [Fact]
    public async Task APlugThatFailsLeavesThePortsAsTheyWere()
    {
        var spec = await _host.CreateWithPortsAsync();
        _host.Journal.Fail("plug tap4 eth2", new PortPlugException("no such bridge"));
        await Assert.ThrowsAsync<PortPlugException>(
            () => Driver.SetPortsAsync(spec.Id, [DriverHost.Port(3), DriverHost.Port(2), DriverHost.Port(4)], _token));
        Assert.Equal(["tap1", "tap2"], _host.Plug.Plugged.Keys.Order());
        Assert.Equal(["tap1", "tap2"], (await Driver.FindAsync(spec.Id, _token))!.Ports.Select(port => port.HostDevice));
        _host.Journal.Heal();
        _host.Journal.Take();
        await Driver.SetPortsAsync(spec.Id, [DriverHost.Port(1), DriverHost.Port(2)], _token);
        Assert.Empty(_host.Journal.Take());
    }

    [Fact]
    public async Task AServiceKilledWhilePluggingKnowsEveryPortThatMayBeThere()
    {
        var spec = await _host.CreateWithPortsAsync();
        _host.Journal.Hold("plug tap3 eth0");
        _host.Journal.Fail("unplug tap3"); // The killed service takes nothing back.
        _host.Journal.Fail("plug tap1 eth0");
        using var killed = new CancellationTokenSource();
        var call = Driver.SetPortsAsync(spec.Id, [DriverHost.Port(3)], killed.Token);
        await _host.Journal.WaitForAsync("plug tap3 eth0");
        var state = await File.ReadAllTextAsync(Path.Combine(_host.Options.StateDirectory, "containers", $"{spec.Id}", "state.json"));
        Assert.All(new[] { "tap1", "tap2", "tap3" }, device => Assert.Contains(device, state, StringComparison.Ordinal));
        await killed.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
    }

    [Fact]
    public async Task APortNamedTwiceIsRefused()
    {
        var spec = await _host.CreateWithPortsAsync();
        await Assert.ThrowsAsync<ArgumentException>(() => Driver.SetPortsAsync(spec.Id, [DriverHost.Port(3), DriverHost.Port(3)], _token));
    }
}
