using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests;

public sealed class ContainerDriverConcurrencyTests : IAsyncLifetime
{
    private readonly CancellationToken _token = CancellationToken.None;
    private DriverHost _host = null!;

    public async Task InitializeAsync() => _host = await DriverHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task CallsForOneContainerWaitForEachOther()
    {
        var spec = await _host.CreateWithPortsAsync();
        var launch = _host.Journal.Hold("launch c1");
        var start = _host.Driver.StartAsync(spec.Id, _token);
        await _host.Journal.WaitForAsync("launch c1");
        var stop = _host.Driver.StopAsync(spec.Id, TimeSpan.FromSeconds(1), _token);
        var delete = _host.Driver.DeleteAsync(spec.Id, _token);
        Assert.False(stop.IsCompleted || delete.IsCompleted);
        Assert.DoesNotContain(_host.Journal.Entries, entry => entry.StartsWith("stop", StringComparison.Ordinal));

        launch.SetResult();
        await Task.WhenAll(start, stop, delete);
        Assert.Equal(
            ["mount", "plug tap1 eth0", "plug tap2 eth1", "launch c1", "stop c1 1", "forget c1", "unmount", "unplug tap1", "unplug tap2"],
            _host.Journal.Take().Take(9));
        Assert.Empty(_host.Storage.Roots);
    }

    [Fact]
    public async Task CallsForDifferentContainersDoNot()
    {
        var slow = await _host.CreateWithPortsAsync("slow");
        var quick = DriverHost.Spec("quick");
        await _host.Driver.CreateAsync(quick, _token);
        var launch = _host.Journal.Hold("launch slow");
        var start = _host.Driver.StartAsync(slow.Id, _token);
        await _host.Journal.WaitForAsync("launch slow");
        await _host.Driver.StartAsync(quick.Id, _token);
        await _host.Driver.StopAsync(quick.Id, TimeSpan.Zero, _token);
        Assert.False(start.IsCompleted);
        launch.SetResult();
        await start;
    }

    [Fact]
    public async Task OneWaitingCallMayBeCancelledWithoutHarm()
    {
        var spec = await _host.CreateWithPortsAsync();
        var launch = _host.Journal.Hold("launch c1");
        var start = _host.Driver.StartAsync(spec.Id, _token);
        await _host.Journal.WaitForAsync("launch c1");
        using var cancellation = new CancellationTokenSource();
        var stop = _host.Driver.StopAsync(spec.Id, TimeSpan.Zero, cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stop);
        launch.SetResult();
        await start;
        Assert.Equal(ContainerState.Running, (await _host.Driver.FindAsync(spec.Id, _token))!.State);
    }

    [Fact]
    public async Task OfManyCreatesOfOneNameExactlyOneSucceeds()
    {
        var calls = Enumerable.Range(0, 20).Select(_ => Task.Run(() => _host.Driver.CreateAsync(DriverHost.Spec("same"), _token))).ToArray();
        await Assert.ThrowsAsync<ContainerStateException>(() => Task.WhenAll(calls));
        Assert.Equal(1, calls.Count(call => call.IsCompletedSuccessfully));
        Assert.Single(await _host.Driver.ListAsync(_token));
    }

    [Fact]
    public async Task ManyContainersMadeAtOnceShareNoIds()
    {
        await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Task.Run(() => _host.Driver.CreateAsync(DriverHost.Spec($"c{i}"), _token))));
        Assert.Equal(12, _host.Storage.Roots.Values.Select(root => root.IdMap!.HostBase).Distinct().Count());
    }
}

public sealed class KeyedLockTests
{
    [Fact]
    public async Task NothingIsKeptOfContainersNobodyWorksOn()
    {
        var locks = new KeyedLock<Guid>();
        var id = Guid.NewGuid();
        var first = await locks.EnterAsync(id, CancellationToken.None);
        using var cancellation = new CancellationTokenSource();
        var second = locks.EnterAsync(id, cancellation.Token);
        var third = locks.EnterAsync(id, CancellationToken.None);
        Assert.Equal(1, locks.Count);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        Assert.False(third.IsCompleted);
        first.Dispose();
        first.Dispose();
        (await third).Dispose();
        Assert.Equal(0, locks.Count);
    }
}
