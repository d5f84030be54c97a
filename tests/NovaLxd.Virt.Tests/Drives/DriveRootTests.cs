using NovaLxd.Virt.Drives;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Processes;
using NovaLxd.Virt.Tests.Engine;

namespace NovaLxd.Virt.Tests.Drives;

/// <summary>Drives in real guests, and their images as the host's own programs read them.</summary>
[Trait("Lane", "root")]
public sealed class DriveRootTests : IAsyncLifetime
{
    private static readonly DriveFile[] Files =
    [
        new("openstack/latest/meta_data.json", "{\"uuid\": \"1\"}"u8.ToArray()), new("openstack/2012-08-10/meta_data.json", "{}"u8.ToArray()),
        new("ec2/2009-04-04/user-data", [.. Enumerable.Range(0, 100_000).Select(i => (byte)i)]), new("openstack/content/0000", []),
    ];

    private readonly CancellationToken _token = CancellationToken.None;
    private EngineHost _host = null!;

    public async Task InitializeAsync() => _host = await EngineHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Theory]
    [InlineData(DriveFormat.Iso9660, "iso9660")]
    [InlineData(DriveFormat.Vfat, "vfat")]
    public async Task TheImageHasTheLabelAndAllFiles(DriveFormat format, string type)
    {
        var mount = await MakeAsync(format);
        var image = Path.Combine(mount.Layers[1], mount.ImageFile);
        Assert.Equal((UnixFileMode)0b110_000_000, File.GetUnixFileMode(image));
        Assert.Equal("config-2", await RunAsync("blkid", "-p", "-s", "LABEL", "-o", "value", image));
        Assert.Equal(type, await RunAsync("blkid", "-p", "-s", "TYPE", "-o", "value", image));
        foreach (var file in Files)
        {
            var copy = Path.Combine(_host.Folder, "copy");
            File.Delete(copy);
            string[] command = format == DriveFormat.Vfat
                ? ["mcopy", "-n", "-i", image, $"::/{file.Path}", copy]
                : ["sh", "-c", $"isoinfo -J -i '{image}' -x '/{file.Path}' > '{copy}'"];
            await RunAsync(command);
            Assert.Equal(file.Content, await File.ReadAllBytesAsync(copy));
        }
    }

    [Fact]
    public async Task TheGuestReadsItAlsoAfterAReboot()
    {
        var spec = _host.NewSpec() with { Drive = await MakeAsync(DriveFormat.Iso9660) };
        await _host.Engine.LaunchAsync(spec, _token);
        await _host.BootedAsync(spec.Id);
        await AssertReadableAsync(spec);

        await _host.EndByAsync(spec.Id, "reboot");
        await _host.NextEventAsync(spec.Id, ContainerEventKind.Rebooted);
        await AssertReadableAsync(spec);

        async Task AssertReadableAsync(LaunchSpec of)
        {
            Assert.Equal("{\"uuid\": \"1\"}", await _host.ShellAsync(of.Id, "cat /config-drive/openstack/latest/meta_data.json"));
            Assert.Equal("0 0 600", await _host.ShellAsync(of.Id, "busybox stat -c '%u %g %a' /config-drive/openstack/latest/meta_data.json"));
            Assert.Equal("CD001", await _host.ShellAsync(of.Id, "dd if=/dev/disk/by-label/config-2 bs=1 skip=32769 count=5 2>/dev/null"));
        }
    }

    /// <summary>The guest's root may change flags of mounts, but this file system has nothing to write to.</summary>
    [Fact]
    public async Task NobodyInsideCanWriteThroughItOrIsShownItUnlessRoot()
    {
        var drive = await MakeAsync(DriveFormat.Iso9660);
        var spec = _host.NewSpec() with { Drive = drive };
        await _host.Engine.LaunchAsync(spec, _token);
        Assert.Equal("no", await _host.ShellAsync(spec.Id, "mount -o remount,rw,bind /config-drive; mount -o remount,rw /config-drive; echo x 2>/dev/null > /config-drive/x || echo no"));
        Assert.Equal("no", await _host.ShellAsync(spec.Id, "busybox rm -rf /config-drive/openstack 2>/dev/null || echo no"));
        var asNobody = await _host.Engine.ExecAsync(
            spec.Id, new ExecRequest { Command = ["/bin/cat", "/config-drive/openstack/latest/meta_data.json"], UserId = 1000, GroupId = 1000, Timeout = EngineHost.Grace }, _token);
        Assert.NotEqual(0, asNobody.ExitCode);
        Assert.Equal(Files.Length, Directory.GetFiles(drive.Layers[0], "*", SearchOption.AllDirectories).Length);
    }

    [Fact]
    public async Task APrivilegedGuestHasItToo()
    {
        var spec = _host.NewPrivilegedSpec() with { Drive = await MakeAsync(DriveFormat.Iso9660) };
        await _host.Engine.LaunchAsync(spec, _token);
        Assert.Equal("{}", await _host.ShellAsync(spec.Id, "cat /config-drive/openstack/2012-08-10/meta_data.json"));
    }

    /// <summary>The image of an instance decides what is in place of the folder; a link of it leads nowhere.</summary>
    [Fact]
    public async Task ALinkInPlaceOfTheFolderIsNotFollowed()
    {
        var spec = _host.NewSpec() with { Drive = await MakeAsync(DriveFormat.Iso9660) };
        File.CreateSymbolicLink(Path.Combine(spec.Root.UpperDirectory, "config-drive"), "/etc");
        var failure = await Assert.ThrowsAsync<LaunchFailedException>(() => _host.Engine.LaunchAsync(spec, _token));
        Assert.Contains("/config-drive", failure.Message, StringComparison.Ordinal);
    }

    private async Task<DriveMount> MakeAsync(DriveFormat format)
    {
        var spec = new DriveSpec { Folder = "/config-drive", Label = "config-2", Format = format, Files = Files };
        var folder = Path.Combine(_host.Folder, Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(folder);
        await new ContainerDrives(new DriveImage("genisoimage")).CreateAsync(spec, folder, _token);
        return ContainerDrives.MountOf(spec, folder)!;
    }

    private async Task<string> RunAsync(params string[] command) => (await CommandRunner.RunAsync(command, _token)).Trim();
}
