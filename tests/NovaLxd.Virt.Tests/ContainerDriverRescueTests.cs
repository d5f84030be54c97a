using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests;

/// <summary>Which root a container boots, and that the other one never stays behind.</summary>
public sealed class ContainerDriverRescueTests : IAsyncLifetime
{
    private readonly CancellationToken _token = CancellationToken.None;
    private DriverHost _host = null!;

    public async Task InitializeAsync() => _host = await DriverHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task ARescuedContainerBootsAnotherRootOfItsIdsAndSizeAndHasItsOwnBesideIt()
    {
        var spec = await _host.CreateWithPortsAsync();
        await _host.Driver.RescueAsync(spec.Id, "rescue-image", _token);
        await _host.Driver.StartAsync(spec.Id, _token);

        Assert.Equal(["create root", "mount", "mount", "plug tap1 eth0", "plug tap2 eth1", "launch c1"], _host.Journal.Take());
        var rescue = _host.Storage.Roots[ContainerRoots.RescueRootOf(spec.Id)];
        Assert.Equal(("rescue-image", _host.Storage.Roots[spec.Id].IdMap, _host.Storage.Roots[spec.Id].SizeBytes), (rescue.ImageKey, rescue.IdMap, rescue.SizeBytes));
        Assert.NotNull(_host.Engine.Launched[spec.Id].RescuedRoot);
        Assert.Equal(2, _host.Storage.Mounted.Count);
        Assert.True((await _host.Driver.FindAsync(spec.Id, _token))!.Rescued);
    }

    [Fact]
    public async Task UnrescuedItBootsItsOwnAndTheOtherIsGone()
    {
        var spec = await RescuedAsync();
        await _host.Driver.StopAsync(spec.Id, TimeSpan.Zero, _token);
        Assert.Empty(_host.Storage.Mounted);

        await _host.Driver.UnrescueAsync(spec.Id, _token);
        await _host.Driver.UnrescueAsync(spec.Id, _token);
        await _host.Driver.StartAsync(spec.Id, _token);

        Assert.Equal([spec.Id], _host.Storage.Roots.Keys);
        Assert.Null(_host.Engine.Launched[spec.Id].RescuedRoot);
        Assert.False((await _host.Driver.FindAsync(spec.Id, _token))!.Rescued);
    }

    [Fact]
    public async Task AServiceThatCameBackBootsWhatItsPredecessorBooted()
    {
        var spec = await RescuedAsync();
        await _host.RestartAsync();
        Assert.True((await _host.Driver.FindAsync(spec.Id, _token))!.Rescued);

        _host.Engine.Containers.Clear();
        _host.Host.Reboot();
        await _host.RestartAsync();
        Assert.Empty(_host.Storage.Mounted);
        await _host.Driver.StartAsync(spec.Id, _token);

        Assert.NotNull(_host.Engine.Launched[spec.Id].RescuedRoot);
    }

    /// <summary>Killed between the root and the record of it, or between the end of the record and that of the root.</summary>
    [Fact]
    public async Task ARootThatNoRecordSpeaksOfGoesAtTheNextStart()
    {
        var spec = await _host.CreateRunningAsync();
        await _host.Storage.CreateRootfsAsync(new(ContainerRoots.RescueRootOf(spec.Id), "rescue-image", null, null, []), _token);
        await _host.RestartAsync();

        Assert.Equal([spec.Id], _host.Storage.Roots.Keys);
        Assert.Equal(ContainerState.Running, (await _host.Driver.FindAsync(spec.Id, _token))!.State);
    }

    [Fact]
    public async Task WhatRunsIsNeitherRescuedNorUnrescued()
    {
        var spec = await _host.CreateRunningAsync();
        await Assert.ThrowsAsync<ContainerStateException>(() => _host.Driver.RescueAsync(spec.Id, "rescue-image", _token));
        await _host.Driver.UnrescueAsync(spec.Id, _token); // It is not rescued: there is nothing to refuse.

        var rescued = await RescuedAsync("c2");
        await Assert.ThrowsAsync<ContainerStateException>(() => _host.Driver.UnrescueAsync(rescued.Id, _token));
        await Assert.ThrowsAsync<ContainerNotFoundException>(() => _host.Driver.RescueAsync(Guid.NewGuid(), "rescue-image", _token));
        Assert.Equal(3, _host.Storage.Roots.Count);
    }

    [Fact]
    public async Task ASecondRescueStartsAfresh()
    {
        var spec = await RescuedAsync();
        await _host.Driver.StopAsync(spec.Id, TimeSpan.Zero, _token);
        await _host.Driver.RescueAsync(spec.Id, "another-image", _token);

        Assert.Equal("another-image", _host.Storage.Roots[ContainerRoots.RescueRootOf(spec.Id)].ImageKey);
        Assert.Equal(2, _host.Storage.Roots.Count);
    }

    [Fact]
    public async Task ARescueThatFailsLeavesItAsItWas()
    {
        var spec = await _host.CreateWithPortsAsync();
        _host.Journal.Fail("create root");
        await Assert.ThrowsAnyAsync<Exception>(() => _host.Driver.RescueAsync(spec.Id, "rescue-image", _token));

        Assert.Equal([spec.Id], _host.Storage.Roots.Keys);
        Assert.False((await _host.Driver.FindAsync(spec.Id, _token))!.Rescued);
    }

    [Fact]
    public async Task ADeletionTakesBothRoots()
    {
        var spec = await RescuedAsync();
        await _host.Driver.DeleteAsync(spec.Id, _token);

        Assert.Empty(_host.Storage.Roots);
        Assert.Empty(_host.Storage.Mounted);
    }

    private async Task<ContainerSpec> RescuedAsync(string name = "c1")
    {
        var spec = DriverHost.Spec(name);
        await _host.Driver.CreateAsync(spec, _token);
        await _host.Driver.RescueAsync(spec.Id, "rescue-image", _token);
        await _host.Driver.StartAsync(spec.Id, _token);
        _host.Journal.Take();
        return spec;
    }
}
