using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests;

/// <summary>Another size for a container that is stopped.</summary>
public sealed class ContainerResizeTests : IAsyncLifetime
{
    private readonly CancellationToken _token = CancellationToken.None;
    private DriverHost _host = null!;
    private ContainerSpec _spec = null!;

    private ContainerDriver Driver => _host.Driver;

    public async Task InitializeAsync()
    {
        _host = await DriverHost.StartAsync();
        _spec = DriverHost.Spec() with { RootDiskBytes = 1 << 30, Limits = new ResourceLimits { Cpus = 1, MemoryBytes = 64 << 20 } };
        await Driver.CreateAsync(_spec, _token);
        _host.Journal.Take();
    }

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task TheNextStartHasTheNewLimitsAlsoAfterARestart()
    {
        await Driver.ResizeAsync(_spec.Id, Size(2L << 30, 128 << 20), _token);
        Assert.Equal(["unmount", "resize root 2147483648"], _host.Journal.Take());

        await _host.RestartAsync();
        await Driver.StartAsync(_spec.Id, _token);

        var found = (await Driver.FindAsync(_spec.Id, _token))!;
        Assert.Equal((2L << 30, 128L << 20), (found.Spec.RootDiskBytes, found.Spec.Limits.MemoryBytes));
        Assert.Equal(128L << 20, _host.Engine.Launched[_spec.Id].Limits.MemoryBytes);
        Assert.Equal(_spec.ImageKey, found.Spec.ImageKey);
    }

    [Fact]
    public async Task TheSameSizeAgainChangesNothingEvenWhileItRuns()
    {
        await Driver.StartAsync(_spec.Id, _token);
        _host.Journal.Take();

        await Driver.ResizeAsync(_spec.Id, Size(1 << 30, 64 << 20), _token);

        Assert.Empty(_host.Journal.Take());
    }

    [Fact]
    public async Task ARunningContainerIsRefused()
    {
        await Driver.StartAsync(_spec.Id, _token);

        var failure = await Assert.ThrowsAsync<ContainerStateException>(() => Driver.ResizeAsync(_spec.Id, Size(2L << 30, 64 << 20), _token));

        Assert.Contains("runs", failure.Message, StringComparison.Ordinal);
        Assert.Equal(1 << 30, (await Driver.FindAsync(_spec.Id, _token))!.Spec.RootDiskBytes);
    }

    [Fact]
    public async Task ARootThatCannotBeResizedLeavesTheOldSize()
    {
        _host.Journal.Fail("resize root 2147483648", new ContainerStateException("no"));

        await Assert.ThrowsAsync<ContainerStateException>(() => Driver.ResizeAsync(_spec.Id, Size(2L << 30, 128 << 20), _token));

        Assert.Equal((1L << 30, 64L << 20), ((await Driver.FindAsync(_spec.Id, _token))!.Spec.RootDiskBytes, (await Driver.FindAsync(_spec.Id, _token))!.Spec.Limits.MemoryBytes));
        Assert.Equal(1 << 30, _host.Storage.Roots[_spec.Id].SizeBytes);
    }

    [Fact]
    public async Task ARecordThatCannotBeWrittenTakesTheDiskBack()
    {
        // A folder where the draft of the record goes.
        var draft = Path.Combine(_host.Options.StateDirectory, "containers", $"{_spec.Id}", "container.json.new");
        Directory.CreateDirectory(draft);

        await Assert.ThrowsAnyAsync<Exception>(() => Driver.ResizeAsync(_spec.Id, Size(2L << 30, 128 << 20), _token));
        Directory.Delete(draft);

        Assert.Equal(1 << 30, _host.Storage.Roots[_spec.Id].SizeBytes);
        Assert.Equal(1 << 30, (await Driver.FindAsync(_spec.Id, _token))!.Spec.RootDiskBytes);
    }

    [Fact]
    public async Task ItCannotBecomePrivileged()
    {
        var size = Size(1 << 30, 64 << 20) with { Security = new SecuritySpec { Privileged = true } };

        await Assert.ThrowsAsync<ContainerStateException>(() => Driver.ResizeAsync(_spec.Id, size, _token));

        Assert.False((await Driver.FindAsync(_spec.Id, _token))!.Spec.Security.Privileged);
    }

    [Fact]
    public Task WhatIsNotHereCannotBeResized() =>
        Assert.ThrowsAsync<ContainerNotFoundException>(() => Driver.ResizeAsync(Guid.NewGuid(), Size(1, 1), _token));

    private static ContainerSize Size(long disk, long memory) =>
        new() { RootDiskBytes = disk, Limits = new ResourceLimits { Cpus = 1, MemoryBytes = memory } };
}
