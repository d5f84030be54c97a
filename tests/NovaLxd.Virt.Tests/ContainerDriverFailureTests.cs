using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests;

/// <summary>A method that fails leaves what was there before it; a repeated call finishes what another began.</summary>
public sealed class ContainerDriverFailureTests : IAsyncLifetime
{
    private readonly CancellationToken _token = CancellationToken.None;
    private DriverHost _host = null!;

    private ContainerDriver Driver => _host.Driver;

    public async Task InitializeAsync() => _host = await DriverHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task ACreateThatFailsLeavesNothingAndMayBeRepeated()
    {
        var spec = DriverHost.Spec();
        _host.Journal.Fail("create root", new ImageNotFoundException("image"));
        await Assert.ThrowsAsync<ImageNotFoundException>(() => Driver.CreateAsync(spec, _token));
        Assert.Empty(await Driver.ListAsync(_token));
        Assert.Empty(Directory.GetDirectories(Path.Combine(_host.Options.StateDirectory, "containers")));

        _host.Journal.Heal();
        await Driver.CreateAsync(spec, _token);
        Assert.Equal(_host.Options.IdMapBase, _host.Storage.Roots[spec.Id].IdMap!.HostBase);
    }

    [Fact]
    public async Task ACreateThatIsCancelledLeavesNothing()
    {
        var spec = DriverHost.Spec();
        _host.Journal.Hold("create root");
        using var cancellation = new CancellationTokenSource();
        var call = Driver.CreateAsync(spec, cancellation.Token);
        await _host.Journal.WaitForAsync("create root");
        Assert.Null(await Driver.FindAsync(spec.Id, _token));
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        Assert.Empty(Directory.GetDirectories(Path.Combine(_host.Options.StateDirectory, "containers")));
    }

    [Fact]
    public async Task ARootWithoutARecordDoesNotStandInTheWay()
    {
        var spec = DriverHost.Spec();
        _host.Storage.Roots[spec.Id] = new(spec.Id, "older", null, null, []);
        await Driver.CreateAsync(spec, _token);
        Assert.Equal(["delete root", "create root"], _host.Journal.Take());
    }

    [Theory]
    [InlineData("mount", "")]
    [InlineData("plug tap2 eth1", "unmount")]
    [InlineData("launch c1", "unmount")]
    public async Task AStartThatFailsLeavesThePortsThatWerePluggedBefore(string failing, string undone)
    {
        var spec = await _host.CreateWithPortsAsync();
        _host.Journal.Fail(failing, new LaunchFailedException("broken"));
        await Assert.ThrowsAsync<LaunchFailedException>(() => Driver.StartAsync(spec.Id, _token));
        Assert.Equal(undone, string.Join(' ', _host.Journal.Take().SkipWhile(entry => entry != failing).Skip(1)));
        Assert.Equal(["tap1", "tap2"], _host.Plug.Plugged.Keys.Order());
        Assert.Empty(_host.Engine.Containers);
        Assert.Equal(ContainerState.Stopped, (await Driver.FindAsync(spec.Id, _token))!.State);

        _host.Journal.Heal();
        await Driver.StartAsync(spec.Id, _token);
        Assert.Equal(ContainerState.Running, (await Driver.FindAsync(spec.Id, _token))!.State);
    }

    [Theory]
    [InlineData("plug tap2 eth1", "unplug tap1 unmount")]
    [InlineData("launch c1", "unplug tap2 unplug tap1 unmount")]
    public async Task AStartThatFailsUnplugsWhatItHasPlugged(string failing, string undone)
    {
        var spec = await _host.CreateRunningAsync();
        await Driver.StopAsync(spec.Id, TimeSpan.Zero, _token);
        _host.Journal.Take();
        _host.Journal.Fail(failing, new LaunchFailedException("broken"));
        await Assert.ThrowsAsync<LaunchFailedException>(() => Driver.StartAsync(spec.Id, _token));
        Assert.Equal(undone, string.Join(' ', _host.Journal.Take().SkipWhile(entry => entry != failing).Skip(1)));
        Assert.Empty(_host.Plug.Plugged);
        Assert.Empty(_host.Storage.Mounted);
    }

    [Fact]
    public async Task AStartWhoseRecordCannotBeWrittenEndsWhatItLaunched()
    {
        var spec = await _host.CreateWithPortsAsync();
        // The draft of the record cannot be made where a folder stands.
        var barrier = _host.Journal.Hold("launch c1");
        var call = Driver.StartAsync(spec.Id, _token);
        await _host.Journal.WaitForAsync("launch c1");
        Directory.CreateDirectory(Path.Combine(_host.Options.StateDirectory, "containers", $"{spec.Id}", "state.json.new"));
        barrier.SetResult();
        await Assert.ThrowsAnyAsync<Exception>(() => call);
        Assert.Equal(["stop c1 0", "forget c1", "unmount"], _host.Journal.Take().TakeLast(3));
        Assert.Empty(_host.Engine.Containers);
    }

    [Theory]
    [InlineData("forget c1")]
    [InlineData("unmount")]
    [InlineData("unplug tap1")]
    public async Task AStopThatFailsHalfWayIsFinishedByTheNext(string failing)
    {
        var spec = await _host.CreateRunningAsync();
        _host.Journal.Fail(failing);
        await Assert.ThrowsAsync<InvalidOperationException>(() => Driver.StopAsync(spec.Id, TimeSpan.FromSeconds(1), _token));
        _host.Journal.Heal();
        Assert.True(await Driver.StopAsync(spec.Id, TimeSpan.FromSeconds(1), _token));
        Assert.Empty(_host.Plug.Plugged);
        Assert.Empty(_host.Storage.Mounted);
        Assert.Empty(_host.Engine.Containers);
        Assert.Equal("halted", (await Driver.FindAsync(spec.Id, _token))!.LastExit);
    }

    [Fact]
    public async Task OneUnplugThatFailsDoesNotKeepTheOtherPortsPlugged()
    {
        var spec = await _host.CreateRunningAsync();
        _host.Journal.Fail("unplug tap1");
        await Assert.ThrowsAsync<InvalidOperationException>(() => Driver.StopAsync(spec.Id, TimeSpan.Zero, _token));
        Assert.Equal(["tap1"], _host.Plug.Plugged.Keys);
    }

    [Theory]
    [InlineData("stop c1 0")]
    [InlineData("forget c1")]
    [InlineData("unmount")]
    [InlineData("unplug tap2")]
    [InlineData("delete root")]
    public async Task ADeleteThatFailsKeepsTheRecordAndIsFinishedByTheNext(string failing)
    {
        var spec = await _host.CreateRunningAsync();
        _host.Journal.Fail(failing);
        await Assert.ThrowsAsync<InvalidOperationException>(() => Driver.DeleteAsync(spec.Id, _token));
        Assert.NotNull(await Driver.FindAsync(spec.Id, _token));

        _host.Journal.Heal();
        await _host.RestartAsync();
        await Driver.DeleteAsync(spec.Id, _token);
        Assert.Empty(_host.Storage.Roots);
        Assert.Empty(_host.Plug.Plugged);
        Assert.Empty(_host.Engine.Containers);
        Assert.Empty(Directory.GetDirectories(Path.Combine(_host.Options.StateDirectory, "containers")));
    }

    [Fact]
    public async Task IdsThatAreUsedUpAreSaidToBe()
    {
        await using var small = await DriverHost.StartAsync(idMapSize: 2 * 65536);
        var first = DriverHost.Spec("a");
        await small.Driver.CreateAsync(first, _token);
        await small.Driver.CreateAsync(DriverHost.Spec("b"), _token);
        await Assert.ThrowsAsync<OutOfSpaceException>(() => small.Driver.CreateAsync(DriverHost.Spec("c"), _token));
        await small.Driver.DeleteAsync(first.Id, _token);
        await small.Driver.CreateAsync(DriverHost.Spec("c"), _token);
    }
}
