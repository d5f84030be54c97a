using System.Text.Json.Nodes;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests;

/// <summary>Further disks in the order of things.</summary>
public sealed class ContainerDiskTests : IAsyncLifetime
{
    private const long Size = 1L << 30;
    private readonly CancellationToken _token = CancellationToken.None;
    private DriverHost _host = null!;

    private ContainerDriver Driver => _host.Driver;

    public async Task InitializeAsync() => _host = await DriverHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task TheEngineIsGivenThemAlsoAfterARestart()
    {
        var spec = DriverHost.Spec() with { Disks = [new DiskSpec("/mnt", Size), new DiskSpec("/media/ephemeral1", Size)] };
        await Driver.CreateAsync(spec, _token);
        await _host.RestartAsync();
        await Driver.StartAsync(spec.Id, _token);

        Assert.Equal([Size, Size], _host.Storage.Roots[spec.Id].DiskBytes);
        Assert.Equal([new DiskMount("/disk0", "/mnt"), new DiskMount("/disk1", "/media/ephemeral1")], _host.Engine.Launched[spec.Id].Disks);
    }

    [Fact]
    public async Task ARescueSystemIsNotGivenThem()
    {
        var spec = DriverHost.Spec() with { Disks = [new DiskSpec("/mnt", Size)] };
        await Driver.CreateAsync(spec, _token);
        await Driver.RescueAsync(spec.Id, "image", _token);
        await Driver.StartAsync(spec.Id, _token);

        Assert.Empty(_host.Engine.Launched[spec.Id].Disks);
    }

    [Fact]
    public async Task AnotherSizeBringsThem()
    {
        var spec = DriverHost.Spec();
        await Driver.CreateAsync(spec, _token);
        _host.Journal.Take();
        var size = new ContainerSize { Disks = [new DiskSpec("/mnt", Size)] };
        await Driver.ResizeAsync(spec.Id, size, _token);
        await Driver.ResizeAsync(spec.Id, size, _token);

        Assert.Equal(["unmount", $"resize root 0 + {Size}"], _host.Journal.Take());
        Assert.Equal(size.Disks, (await Driver.FindAsync(spec.Id, _token))!.Spec.Disks);
    }

    [Fact]
    public async Task ARecordFromBeforeThereWereAnyIsRead()
    {
        var spec = DriverHost.Spec();
        await Driver.CreateAsync(spec, _token);
        var path = Path.Combine(_host.Options.StateDirectory, "containers", $"{spec.Id}", "container.json");
        var record = JsonNode.Parse(await File.ReadAllTextAsync(path, _token))!;
        Assert.True(record["spec"]!.AsObject().Remove("disks"));
        await File.WriteAllTextAsync(path, record.ToJsonString(), _token);

        await _host.RestartAsync();
        await Driver.StartAsync(spec.Id, _token);

        Assert.Empty((await Driver.FindAsync(spec.Id, _token))!.Spec.Disks);
    }

    [Theory]
    [InlineData("/", Size)]
    [InlineData("mnt", Size)]
    [InlineData("/mnt/..", Size)]
    [InlineData("/proc", Size)]
    [InlineData("/dev/shm", Size)]
    [InlineData("/a/b/c/d", Size)]
    [InlineData("/mnt", 1L)]
    public async Task OneThatCannotBeIsRefused(string folder, long bytes)
    {
        var spec = DriverHost.Spec() with { Disks = [new DiskSpec(folder, bytes)] };
        var failure = await Assert.ThrowsAsync<ArgumentException>(() => Driver.CreateAsync(spec, _token));
        Assert.Contains(bytes == 1 ? "less than" : $"'{folder}'", failure.Message, StringComparison.Ordinal);
    }
}
