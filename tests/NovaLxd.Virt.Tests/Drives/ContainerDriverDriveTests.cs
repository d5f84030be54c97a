using NovaLxd.Virt.Drives;
using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests.Drives;

/// <summary>A drive comes and goes with its container, whatever happens between.</summary>
public sealed class ContainerDriverDriveTests : IAsyncLifetime
{
    private readonly CancellationToken _token = CancellationToken.None;
    private DriverHost _host = null!;

    /// <summary>A stand-in for genisoimage that makes an empty image.</summary>
    private string IsoCommand => Path.Combine(_host.Options.StateDirectory, "mkisofs");

    public async Task InitializeAsync()
    {
        _host = await DriverHost.StartAsync();
        await File.WriteAllTextAsync(IsoCommand, "#!/bin/sh\nwhile [ \"$1\" != -o ]; do shift; done\n: > \"$2\"\n");
        File.SetUnixFileMode(IsoCommand, (UnixFileMode)0b111_000_000);
        await UseAsync(IsoCommand);
    }

    public Task DisposeAsync() => _host.DisposeAsync().AsTask();

    [Fact]
    public async Task TheEngineIsGivenIt()
    {
        var spec = Spec();
        await _host.Driver.CreateAsync(spec, _token);
        await _host.Driver.StartAsync(spec.Id, _token);
        var mount = _host.Engine.Launched[spec.Id].Drive!;
        Assert.Equal(("/config-drive", "config-2", "disk.config"), (mount.Folder, mount.Label, mount.ImageFile));
        Assert.Equal("hush", await File.ReadAllTextAsync(Path.Combine(mount.Layers[0], "openstack/latest/user_data")));
        Assert.True(File.Exists(Path.Combine(mount.Layers[1], mount.ImageFile)));
        Assert.All(
            new[] { mount.Layers[0], mount.Layers[1], Path.GetDirectoryName(mount.Layers[0])! },
            folder => Assert.Equal((UnixFileMode)0b111_000_000, File.GetUnixFileMode(folder)));
        Assert.Equal((UnixFileMode)0b110_000_000, File.GetUnixFileMode(Path.Combine(mount.Layers[0], "openstack/latest/user_data")));
    }

    [Fact]
    public async Task ItsContentIsInNoRecordAndItOutlivesTheService()
    {
        var spec = Spec();
        await _host.Driver.CreateAsync(spec, _token);
        Assert.DoesNotContain("user_data", await File.ReadAllTextAsync(Path.Combine(Folder(spec), "container.json")), StringComparison.Ordinal);
        await _host.RestartAsync();
        await _host.Driver.StartAsync(spec.Id, _token);
        Assert.NotNull(_host.Engine.Launched[spec.Id].Drive);
        Assert.Empty((await _host.Driver.FindAsync(spec.Id, _token))!.Spec.Drive!.Files);
    }

    [Fact]
    public async Task ItGoesWithTheContainer()
    {
        var spec = Spec();
        await _host.Driver.CreateAsync(spec, _token);
        await _host.Driver.DeleteAsync(spec.Id, _token);
        Assert.False(Directory.Exists(Folder(spec)));
    }

    [Fact]
    public async Task AContainerWithoutOneHasNone()
    {
        var spec = Spec() with { Drive = null };
        await _host.Driver.CreateAsync(spec, _token);
        await _host.Driver.StartAsync(spec.Id, _token);
        Assert.Null(_host.Engine.Launched[spec.Id].Drive);
    }

    [Fact]
    public async Task WithoutTheProgramNothingIsMadeAndTheOperatorIsToldWhichOne()
    {
        await UseAsync("/nowhere/mkisofs");
        var spec = Spec();
        var failure = await Assert.ThrowsAsync<DriveException>(() => _host.Driver.CreateAsync(spec, _token));
        Assert.Contains("/nowhere/mkisofs cannot be executed", failure.Message, StringComparison.Ordinal);
        Assert.Contains("install genisoimage", failure.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Folder(spec)));
        Assert.Empty(_host.Storage.Roots);

        await UseAsync("/bin/false");
        Assert.Contains("status 1", (await Assert.ThrowsAsync<DriveException>(() => _host.Driver.CreateAsync(spec, _token))).Message, StringComparison.Ordinal);
        await UseAsync(IsoCommand);
        await _host.Driver.CreateAsync(spec, _token);
    }

    [Fact]
    public async Task WhatAServiceThatWasKilledLeftIsMadeAnew()
    {
        var spec = Spec();
        await _host.Driver.CreateAsync(spec, _token);
        var record = Path.Combine(Folder(spec), "container.json");
        await File.WriteAllTextAsync(record, (await File.ReadAllTextAsync(record)).Replace("\"created\": true", "\"created\": false", StringComparison.Ordinal));
        await _host.RestartAsync();
        Assert.False(Directory.Exists(Folder(spec)));
        await _host.Driver.CreateAsync(spec, _token);
    }

    private static ContainerSpec Spec() => DriverHost.Spec() with
    {
        Drive = new DriveSpec { Folder = "/config-drive", Label = "config-2", Files = [new DriveFile("openstack/latest/user_data", "hush"u8.ToArray())] },
    };

    private string Folder(ContainerSpec spec) => Path.Combine(_host.Options.StateDirectory, "containers", $"{spec.Id}");

    private Task UseAsync(string isoCommand)
    {
        _host.Options = _host.Options with { IsoCommand = isoCommand };
        return _host.RestartAsync();
    }
}
