using System.Text;
using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests;

/// <summary>A guest stands still only while its files are taken, whatever happens.</summary>
public sealed class ContainerExportTests : IAsyncLifetime
{
    private readonly CancellationToken _token = CancellationToken.None;
    private DriverHost _host = null!;

    private ContainerDriver Driver => _host.Driver;

    public async Task InitializeAsync() => _host = await DriverHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task ARunningGuestIsFrozenForTheInstant()
    {
        var spec = await _host.CreateRunningAsync();

        await using (var export = await Driver.ExportAsync(spec.Id, _token))
        {
            Assert.Equal(["copy", "freeze c1", "capture", "unfreeze c1"], _host.Journal.Take());
            Assert.True(export.Frozen > TimeSpan.Zero);
            Assert.Equal(4096, export.UnpackedBytes);
            using var reader = new StreamReader(export.Content, Encoding.UTF8);
            Assert.Equal("the root", await reader.ReadToEndAsync(_token));
            Assert.Empty(_host.Journal.Take());
        }

        Assert.Equal(["end capture"], _host.Journal.Take());
        Assert.DoesNotContain("\"frozenForExport\": true", Situation(spec.Id), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ContainerState.Stopped)]
    [InlineData(ContainerState.Frozen)]
    public async Task AGuestThatStandsStillStaysSo(ContainerState state)
    {
        var spec = await _host.CreateRunningAsync();
        await (state == ContainerState.Frozen ? Driver.FreezeAsync(spec.Id, _token) : Driver.StopAsync(spec.Id, TimeSpan.Zero, _token));
        _host.Journal.Take();

        await using var export = await Driver.ExportAsync(spec.Id, _token);

        Assert.Equal(["copy", "capture"], _host.Journal.Take());
        Assert.Equal(TimeSpan.Zero, export.Frozen);
        Assert.Equal(state, (await Driver.FindAsync(spec.Id, _token))!.State);
    }

    [Theory]
    [InlineData("capture")]
    [InlineData("freeze c1")]
    public async Task AGuestIsThawedWhenTheExportFails(string failing)
    {
        var spec = await _host.CreateRunningAsync();
        _host.Journal.Fail(failing, new OutOfSpaceException("full"));

        await Assert.ThrowsAsync<OutOfSpaceException>(() => Driver.ExportAsync(spec.Id, _token));

        Assert.Equal("unfreeze c1", _host.Journal.Take()[^1]);
        Assert.Equal(ContainerState.Running, (await Driver.FindAsync(spec.Id, _token))!.State);
        Assert.DoesNotContain("\"frozenForExport\": true", Situation(spec.Id), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AGuestIsThawedWhenTheCallerGoes()
    {
        var spec = await _host.CreateRunningAsync();
        _host.Journal.Hold("capture");
        using var caller = new CancellationTokenSource();
        var export = Driver.ExportAsync(spec.Id, caller.Token);
        await _host.Journal.WaitForAsync("capture");
        Assert.Contains("\"frozenForExport\": true", Situation(spec.Id), StringComparison.Ordinal);

        await caller.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => export);
        Assert.Equal(ContainerState.Running, (await Driver.FindAsync(spec.Id, _token))!.State);
    }

    [Fact]
    public async Task ADeleteDoesNotWaitForTheCopy()
    {
        var spec = await _host.CreateRunningAsync();
        _host.Journal.Hold("copy");
        var export = Driver.ExportAsync(spec.Id, _token);
        await _host.Journal.WaitForAsync("copy");

        await Driver.DeleteAsync(spec.Id, _token).WaitAsync(TimeSpan.FromSeconds(60));

        await Assert.ThrowsAsync<ContainerNotFoundException>(() => export);
        Assert.Null(await Driver.FindAsync(spec.Id, _token));
    }

    [Fact]
    public async Task WhatAKilledServiceLeftFrozenIsThawed()
    {
        var spec = await _host.CreateRunningAsync();
        var held = _host.Journal.Hold("capture");
        var export = Driver.ExportAsync(spec.Id, _token);
        await _host.Journal.WaitForAsync("capture");

        // The next service finds what a dead one leaves: the fakes, frozen, and the mark on disk.
        await _host.RestartAsync();

        Assert.Contains("unfreeze c1", _host.Journal.Take());
        Assert.Equal(ContainerState.Running, (await Driver.FindAsync(spec.Id, _token))!.State);
        Assert.DoesNotContain("\"frozenForExport\": true", Situation(spec.Id), StringComparison.Ordinal);
        held.SetResult();
        await (await export).DisposeAsync();
    }

    [Fact]
    public async Task APausedGuestIsNotThawedByTheNextStart()
    {
        var spec = await _host.CreateRunningAsync();
        await Driver.FreezeAsync(spec.Id, _token);

        await _host.RestartAsync();

        Assert.Equal(ContainerState.Frozen, (await Driver.FindAsync(spec.Id, _token))!.State);
    }

    [Fact]
    public async Task WhatIsNotHereCannotBeExported()
    {
        await Assert.ThrowsAsync<ContainerNotFoundException>(() => Driver.ExportAsync(Guid.NewGuid(), _token));
        Assert.Empty(_host.Journal.Take());
    }

    private string Situation(Guid id) => File.ReadAllText(Path.Combine(_host.Options.StateDirectory, "containers", id.ToString(), "state.json"));
}
