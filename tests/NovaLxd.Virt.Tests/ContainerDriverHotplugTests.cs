using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests;

/// <summary>A port more and a port less, in each state of the container; what fails, and what a service that is killed leaves.</summary>
public sealed class ContainerDriverHotplugTests : IAsyncLifetime
{
    private readonly CancellationToken _token = CancellationToken.None;
    private DriverHost _host = null!;

    private ContainerDriver Driver => _host.Driver;

    public async Task InitializeAsync() => _host = await DriverHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task AGuestThatRunsGetsThePortAndGivesItBack()
    {
        var spec = await _host.CreateRunningAsync();
        await Driver.AttachPortAsync(spec.Id, DriverHost.Port(3), _token);
        Assert.Equal(["plug tap3 eth2", "attach tap3 eth2"], _host.Journal.Take());
        Assert.Equal("tap1 tap2 tap3", await PortsAsync(spec));

        Assert.True(await Driver.DetachPortAsync(spec.Id, DriverHost.Port(2).Id, _token));
        Assert.Equal(["detach tap2", "unplug tap2"], _host.Journal.Take());
        Assert.Equal("tap1 tap3", await PortsAsync(spec));
        Assert.Equal(["eth0", "eth2"], _host.Engine.Launched[spec.Id].Nics.Select(nic => nic.GuestName));
    }

    [Fact]
    public async Task AFrozenGuestToo()
    {
        var spec = await _host.CreateRunningAsync();
        await Driver.FreezeAsync(spec.Id, _token);
        _host.Journal.Take();
        await Driver.AttachPortAsync(spec.Id, DriverHost.Port(3), _token);
        await Driver.DetachPortAsync(spec.Id, DriverHost.Port(1).Id, _token);
        Assert.Equal(["plug tap3 eth2", "attach tap3 eth2", "detach tap1", "unplug tap1"], _host.Journal.Take());
    }

    [Fact]
    public async Task AStoppedContainerHasItFromItsNextStartOn()
    {
        var spec = await _host.CreateRunningAsync();
        await Driver.StopAsync(spec.Id, TimeSpan.Zero, _token);
        _host.Journal.Take();
        await Driver.AttachPortAsync(spec.Id, DriverHost.Port(3), _token);
        await Driver.DetachPortAsync(spec.Id, DriverHost.Port(1).Id, _token);
        Assert.Equal(["unplug tap1"], _host.Journal.Take());

        await Driver.StartAsync(spec.Id, _token);
        Assert.Equal(["mount", "plug tap2 eth1", "plug tap3 eth2", "launch c1"], _host.Journal.Take());
    }

    [Fact]
    public async Task APortPluggedForAStartThatDidNotComeGetsCompany()
    {
        var spec = await _host.CreateWithPortsAsync();
        await Driver.AttachPortAsync(spec.Id, DriverHost.Port(3), _token);
        Assert.Equal(["plug tap3 eth2"], _host.Journal.Take());
        await Driver.SetPortsAsync(spec.Id, [DriverHost.Port(1), DriverHost.Port(2), DriverHost.Port(3)], _token);
        Assert.Empty(_host.Journal.Take());
    }

    [Fact]
    public async Task NamesAreKeptOverStopsAndRestartsOfService()
    {
        var spec = await _host.CreateRunningAsync();
        await Driver.AttachPortAsync(spec.Id, DriverHost.Port(3), _token);
        await Driver.DetachPortAsync(spec.Id, DriverHost.Port(2).Id, _token);
        await _host.RestartAsync();
        await Driver.StopAsync(spec.Id, TimeSpan.Zero, _token);
        await Driver.SetPortsAsync(spec.Id, [DriverHost.Port(1), DriverHost.Port(3)], _token);
        _host.Journal.Take();
        await Driver.StartAsync(spec.Id, _token);
        Assert.Equal(["mount", "plug tap1 eth0", "plug tap3 eth2", "launch c1"], _host.Journal.Take());
    }

    [Fact]
    public async Task AfterTheHostWasStartedAnewItIsTheSameSet()
    {
        var spec = await _host.CreateRunningAsync();
        await Driver.AttachPortAsync(spec.Id, DriverHost.Port(3), _token);
        await Driver.DetachPortAsync(spec.Id, DriverHost.Port(1).Id, _token);
        _host.Host.Reboot();
        _host.Engine.Containers.Clear();
        await _host.RestartAsync();
        _host.Journal.Take();
        await Driver.StartAsync(spec.Id, _token);
        Assert.Equal(["mount", "plug tap2 eth1", "plug tap3 eth2", "launch c1"], _host.Journal.Take());
    }

    [Fact]
    public async Task ARecordFromBeforeNamesWereWrittenDownIsUnderstood()
    {
        var spec = await _host.CreateRunningAsync();
        await Driver.AttachPortAsync(spec.Id, DriverHost.Port(3), _token);
        var path = Path.Combine(_host.Options.StateDirectory, "containers", $"{spec.Id}", "state.json");
        var state = System.Text.Json.Nodes.JsonNode.Parse(await File.ReadAllTextAsync(path))!.AsObject();
        Assert.True(state.Remove("guestNames"));
        await File.WriteAllTextAsync(path, state.ToJsonString());
        await _host.RestartAsync();

        await Driver.DetachPortAsync(spec.Id, DriverHost.Port(2).Id, _token);
        await Driver.StopAsync(spec.Id, TimeSpan.Zero, _token);
        _host.Journal.Take();
        await Driver.StartAsync(spec.Id, _token);
        Assert.Equal(["mount", "plug tap1 eth0", "plug tap3 eth2", "launch c1"], _host.Journal.Take());
    }

    [Fact]
    public async Task AttachingAgainMendsAndDetachingAgainSaysFalse()
    {
        var spec = await _host.CreateRunningAsync();
        await Driver.AttachPortAsync(spec.Id, DriverHost.Port(2), _token);
        Assert.Equal(["plug tap2 eth1", "attach tap2 eth1"], _host.Journal.Take());
        Assert.True(await Driver.DetachPortAsync(spec.Id, DriverHost.Port(2).Id, _token));
        _host.Journal.Take();
        Assert.False(await Driver.DetachPortAsync(spec.Id, DriverHost.Port(2).Id, _token));
        Assert.Empty(_host.Journal.Take());
    }

    [Fact]
    public async Task TheLastPortCanGoAndTheFirstCome()
    {
        var spec = await _host.CreateRunningAsync();
        await Driver.DetachPortAsync(spec.Id, DriverHost.Port(1).Id, _token);
        await Driver.DetachPortAsync(spec.Id, DriverHost.Port(2).Id, _token);
        Assert.Empty(_host.Plug.Plugged);
        _host.Journal.Take();
        await Driver.AttachPortAsync(spec.Id, DriverHost.Port(3), _token);
        Assert.Equal(["plug tap3 eth0", "attach tap3 eth0"], _host.Journal.Take());
        await Driver.StopAsync(spec.Id, TimeSpan.Zero, _token);
        Assert.Empty(_host.Plug.Plugged);
    }

    [Theory]
    [InlineData("plug tap3 eth2", "")]
    [InlineData("attach tap3 eth2", "detach tap3,unplug tap3")]
    public async Task AnAttachThatFailsLeavesNothing(string failing, string takenBack)
    {
        var spec = await _host.CreateRunningAsync();
        _host.Journal.Fail(failing, new PortPlugException("no"));
        await Assert.ThrowsAsync<PortPlugException>(() => Driver.AttachPortAsync(spec.Id, DriverHost.Port(3), _token));
        Assert.Equal(["tap1", "tap2"], _host.Plug.Plugged.Keys.Order());
        Assert.Equal("tap1 tap2", await PortsAsync(spec));
        var done = string.Join(',', _host.Journal.Take().SkipWhile(entry => entry != failing).Skip(1));
        Assert.Equal(takenBack.Replace("detach tap3", "detach nothing", StringComparison.Ordinal), done);
    }

    [Theory]
    [InlineData("detach tap2")]
    [InlineData("unplug tap2")]
    public async Task ADetachThatFailsLeavesThePort(string failing)
    {
        var spec = await _host.CreateRunningAsync();
        _host.Journal.Fail(failing, new PortPlugException("no"));
        await Assert.ThrowsAsync<PortPlugException>(() => Driver.DetachPortAsync(spec.Id, DriverHost.Port(2).Id, _token));
        Assert.Equal(["plug tap2 eth1", "attach tap2 eth1"], _host.Journal.Take().SkipWhile(entry => entry != failing).Skip(1));
        Assert.Equal("tap1 tap2", await PortsAsync(spec));
        Assert.Equal(["tap1", "tap2"], _host.Engine.Launched[spec.Id].Nics.Select(nic => nic.HostDevice).Order());

        _host.Journal.Heal();
        Assert.True(await Driver.DetachPortAsync(spec.Id, DriverHost.Port(2).Id, _token));
        Assert.Equal(["tap1"], _host.Plug.Plugged.Keys);
    }

    [Fact]
    public async Task ASupervisorTooOldIsNamedInTheFailure()
    {
        var spec = await _host.CreateRunningAsync();
        _host.Journal.Fail("attach tap3 eth2", new SupervisorOutdatedException(SupervisorCall.AttachNic));
        var failure = await Assert.ThrowsAnyAsync<VirtException>(() => Driver.AttachPortAsync(spec.Id, DriverHost.Port(3), _token));
        Assert.Contains("kill -USR2", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("tap3", _host.Plug.Plugged.Keys);
    }

    [Fact]
    public async Task AServiceKilledWhileItAttachesGoesOnWhereItWas()
    {
        var spec = await _host.CreateRunningAsync();
        _host.Journal.Hold("attach tap3 eth2");
        _host.Journal.Fail("unplug tap3"); // The killed service takes nothing back.
        _host.Journal.Fail("detach nothing");
        using var killed = new CancellationTokenSource();
        var call = Driver.AttachPortAsync(spec.Id, DriverHost.Port(3), killed.Token);
        await _host.Journal.WaitForAsync("attach tap3 eth2");
        var state = await File.ReadAllTextAsync(Path.Combine(_host.Options.StateDirectory, "containers", $"{spec.Id}", "state.json"));
        Assert.Contains("tap3", state, StringComparison.Ordinal);
        await killed.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
    }

    [Fact]
    public async Task AServiceKilledWhileItDetachesUnplugsWhenAskedAgain()
    {
        var spec = await _host.CreateRunningAsync();
        var folder = Path.Combine(_host.Options.StateDirectory, "containers", $"{spec.Id}");
        _host.Journal.Hold("unplug tap2");
        using var killed = new CancellationTokenSource();
        var call = Driver.DetachPortAsync(spec.Id, DriverHost.Port(2).Id, killed.Token);
        await _host.Journal.WaitForAsync("unplug tap2");
        var state = await File.ReadAllTextAsync(Path.Combine(folder, "state.json"));
        await killed.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);

        // As the kill left it: written down as a former port, still plugged.
        await File.WriteAllTextAsync(Path.Combine(folder, "state.json"), state);
        _host.Journal.Hold("unplug tap2").SetResult();
        await _host.RestartAsync();
        Assert.Equal("tap1", await PortsAsync(spec));
        _host.Journal.Take();
        Assert.False(await Driver.DetachPortAsync(spec.Id, DriverHost.Port(2).Id, _token));
        Assert.Equal(["unplug tap2"], _host.Journal.Take());
        Assert.DoesNotContain("tap2", _host.Plug.Plugged.Keys);
    }

    [Fact]
    public async Task TwoPortsCannotShareADevice()
    {
        var spec = await _host.CreateRunningAsync();
        var failure = await Assert.ThrowsAsync<PortPlugException>(
            () => Driver.AttachPortAsync(spec.Id, DriverHost.Port(3) with { HostDevice = "tap1" }, _token));
        Assert.Contains("tap1", failure.Message, StringComparison.Ordinal);
        Assert.Empty(_host.Journal.Take());
    }

    [Fact]
    public async Task AStoppedContainerIsNotGivenWhatItCouldNotStartWith()
    {
        var spec = await _host.CreateRunningAsync();
        await Driver.StopAsync(spec.Id, TimeSpan.Zero, _token);
        await Assert.ThrowsAsync<PortPlugException>(() => Driver.AttachPortAsync(spec.Id, DriverHost.Port(3, "hw_veb"), _token));
        Assert.Equal("tap1 tap2", await PortsAsync(spec));
    }

    [Fact]
    public async Task WithoutAContainerThereIsNothingToAttachTo()
    {
        await Assert.ThrowsAsync<ContainerNotFoundException>(() => Driver.AttachPortAsync(Guid.NewGuid(), DriverHost.Port(1), _token));
        await Assert.ThrowsAsync<ContainerNotFoundException>(() => Driver.DetachPortAsync(Guid.NewGuid(), DriverHost.Port(1).Id, _token));
    }

    private async Task<string> PortsAsync(ContainerSpec spec) =>
        string.Join(' ', (await Driver.FindAsync(spec.Id, _token))!.Ports.Select(port => port.HostDevice));
}
