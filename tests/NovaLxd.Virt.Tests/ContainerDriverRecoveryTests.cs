using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests;

/// <summary>What the next service finds, whatever happened to the last one.</summary>
public sealed class ContainerDriverRecoveryTests : IAsyncLifetime
{
    private readonly CancellationToken _token = CancellationToken.None;
    private DriverHost _host = null!;

    public async Task InitializeAsync() => _host = await DriverHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task ARunningContainerIsFoundRunningAndNothingIsDoneToIt()
    {
        var spec = await _host.CreateRunningAsync();
        await _host.RestartAsync();
        Assert.Equal(["storage", "connect"], _host.Journal.Take());
        var found = Assert.Single(await _host.Driver.ListAsync(_token));
        Assert.Equal((ContainerState.Running, spec.Name, 2), (found.State, found.Name, found.Ports.Count));
        await _host.Driver.StopAsync(spec.Id, TimeSpan.FromSeconds(1), _token);
        Assert.Empty(_host.Plug.Plugged);
    }

    [Fact]
    public async Task IdsOfContainersFoundAreNotHandedOutAgain()
    {
        var first = await _host.CreateRunningAsync();
        await _host.RestartAsync();
        var second = DriverHost.Spec("c2");
        await _host.Driver.CreateAsync(second, _token);
        Assert.NotEqual(_host.Storage.Roots[first.Id].IdMap, _host.Storage.Roots[second.Id].IdMap);
    }

    [Fact]
    public async Task AContainerThatEndedMeanwhileIsPutAwayWithHowItEnded()
    {
        var spec = await _host.CreateRunningAsync();
        await _host.Driver.DisposeAsync();
        _host.Engine.End(spec.Id, crashed: true, "init exited with status 1");
        await _host.RestartAsync();
        Assert.Equal(["storage", "connect", "forget c1", "unmount", "unplug tap1", "unplug tap2"], _host.Journal.Take().Take(6));
        var found = (await _host.Driver.FindAsync(spec.Id, _token))!;
        Assert.Equal((ContainerState.Crashed, "init exited with status 1"), (found.State, found.LastExit));
        await _host.RestartAsync();
        Assert.Equal(ContainerState.Crashed, (await _host.Driver.FindAsync(spec.Id, _token))!.State);
    }

    [Fact]
    public async Task AfterARebootOfTheHostEverythingIsStoppedAndUnplugged()
    {
        var running = await _host.CreateRunningAsync();
        var prepared = DriverHost.Spec("c2");
        await _host.Driver.CreateAsync(prepared, _token);
        await _host.Driver.SetPortsAsync(prepared.Id, [DriverHost.Port(3)], _token);
        _host.Engine.Containers.Clear();
        _host.Host.Reboot();
        await _host.RestartAsync();
        Assert.Empty(_host.Plug.Plugged);
        var found = (await _host.Driver.FindAsync(running.Id, _token))!;
        Assert.Equal(ContainerState.Stopped, found.State);
        Assert.Contains("host", found.LastExit, StringComparison.Ordinal);

        _host.Journal.Take();
        await _host.Driver.SetPortsAsync(prepared.Id, [DriverHost.Port(3)], _token);
        await _host.Driver.StartAsync(running.Id, _token);
        Assert.Equal(["plug tap3 eth0", "mount", "plug tap1 eth0", "plug tap2 eth1", "launch c1"], _host.Journal.Take());
    }

    [Fact]
    public async Task ASupervisorThatLostAContainerIsBelieved()
    {
        var spec = await _host.CreateRunningAsync();
        _host.Engine.Containers.Clear();
        await _host.RestartAsync();
        Assert.Equal("ended while nobody watched", (await _host.Driver.FindAsync(spec.Id, _token))!.LastExit);
        Assert.Empty(_host.Plug.Plugged);
    }

    [Fact]
    public async Task PortsSetForAStartThatDidNotComeStayPlugged()
    {
        await _host.CreateWithPortsAsync();
        await _host.RestartAsync();
        Assert.Equal(2, _host.Plug.Plugged.Count);
    }

    [Fact]
    public async Task AContainerLeftHalfMadeIsTakenAway()
    {
        var spec = DriverHost.Spec();
        await LeaveHalfMadeAsync(spec);
        await _host.RestartAsync();
        Assert.Equal(["storage", "connect", "delete root"], _host.Journal.Take());
        Assert.Empty(await _host.Driver.ListAsync(_token));
        await _host.Driver.CreateAsync(spec, _token);
        Assert.Equal(_host.Options.IdMapBase, _host.Storage.Roots[spec.Id].IdMap!.HostBase);
    }

    [Fact]
    public async Task AHalfMadeContainerThatCouldNotBeTakenAwayMayBeDeletedOrMadeAnew()
    {
        var (deleted, made) = (DriverHost.Spec(), DriverHost.Spec("c2"));
        await LeaveHalfMadeAsync(deleted);
        await LeaveHalfMadeAsync(made, 1_065_536);
        _host.Journal.Fail("delete root");
        await _host.RestartAsync();
        Assert.Empty(await _host.Driver.ListAsync(_token));
        _host.Journal.Heal();
        await _host.Driver.DeleteAsync(deleted.Id, _token);
        await _host.Driver.CreateAsync(made, _token);
        Assert.Equal(made.Id, Assert.Single(_host.Storage.Roots).Key);
    }

    [Fact]
    public async Task AGuestWithoutARecordIsLeftRunningUntilSomebodyDeletesIt()
    {
        var spec = await _host.CreateRunningAsync();
        var folder = Path.Combine(_host.Options.StateDirectory, "containers", $"{spec.Id}");
        await _host.Driver.DisposeAsync();
        Directory.Move(folder, folder + ".away");
        await _host.RestartAsync();
        Assert.Equal(ContainerState.Running, Assert.Single(_host.Engine.Containers).Value.State);
        await _host.Driver.DeleteAsync(spec.Id, _token);
        Assert.Empty(_host.Engine.Containers);
        Assert.Empty(_host.Storage.Roots);
    }

    [Fact]
    public async Task AServiceKilledBetweenLaunchAndRecordKnowsThatItRuns()
    {
        var spec = await _host.CreateWithPortsAsync();
        await _host.Driver.DisposeAsync();
        _host.Engine.Containers[spec.Id] = new EngineContainer(spec.Id, spec.Name, ContainerState.Running, 1, DateTimeOffset.UnixEpoch, null);
        await _host.RestartAsync();
        Assert.Equal(ContainerState.Running, (await _host.Driver.FindAsync(spec.Id, _token))!.State);
        _host.Engine.Containers.Clear();
        await _host.RestartAsync();
        Assert.Equal("ended while nobody watched", (await _host.Driver.FindAsync(spec.Id, _token))!.LastExit);
    }

    [Fact]
    public async Task OneContainerInDisorderDoesNotKeepTheServiceFromStarting()
    {
        await _host.CreateRunningAsync();
        var other = DriverHost.Spec("c2");
        await _host.Driver.CreateAsync(other, _token);
        _host.Engine.Containers.Clear();
        _host.Journal.Fail("unplug tap1");
        await _host.RestartAsync();
        await _host.Driver.StartAsync(other.Id, _token);
        Assert.Equal(2, (await _host.Driver.ListAsync(_token)).Count);
    }

    [Fact]
    public async Task AHostThatCannotRunContainersIsReportedWithAllItsFaults()
    {
        _host.Host.Put("proc/sys/kernel/osrelease", "5.10.0-30-amd64\n");
        _host.Host.Put("proc/sys/user/max_user_namespaces", "0\n");
        var failure = await Assert.ThrowsAsync<HostUnsuitableException>(_host.RestartAsync);
        Assert.Contains("5.10 is too old", failure.Message, StringComparison.Ordinal);
        Assert.Contains("user.max_user_namespaces", failure.Message, StringComparison.Ordinal);
    }

    /// <summary>What a service killed during Create leaves.</summary>
    private async Task LeaveHalfMadeAsync(ContainerSpec spec, uint hostBase = 1_000_000)
    {
        var store = new ContainerStore(_host.Options.StateDirectory, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        await store.SaveAsync(new ContainerRecord { Id = spec.Id, Spec = spec, IdMap = new IdMap(hostBase, 65536) }, _token);
        _host.Storage.Roots[spec.Id] = new(spec.Id, spec.ImageKey, null, null, []);
    }
}
