using System.Globalization;
using NovaLxd.Virt.Tests.Engine;
using NovaLxd.Virt.Tests.Storage;

namespace NovaLxd.Virt.Tests;

/// <summary>Disks of a real container: what its root may do with them, what lasts, and that nothing of them gets out.</summary>
[Trait("Lane", "root")]
public sealed class DiskRootTests : ContainerHostFixture
{
    private const long Size = 64L << 20;

    [Fact]
    public async Task TheGuestsRootOwnsThemAndTheyLast()
    {
        var id = await StartAsync("/mnt", "/media/ephemeral1");

        Assert.InRange(long.Parse(await ShellAsync(id, "df -k /mnt | tail -n 1 | awk '{print $2}'"), CultureInfo.InvariantCulture), 40_000, 65_536);
        Assert.Equal("0 0 755", await ShellAsync(id, "stat -c '%u %g %a' /mnt"));
        await ShellAsync(id, "cp /bin/busybox /mnt/busybox; chown 1000:1001 /mnt/busybox; chmod 4755 /mnt/busybox; echo kept > /media/ephemeral1/file");
        Assert.Equal("1000 1001 4755", await ShellAsync(id, "stat -c '%u %g %a' /mnt/busybox"));
        Assert.Equal("runs", await ShellAsync(id, "/mnt/busybox echo runs"));
        Assert.Equal("full", await ShellAsync(id, "dd if=/dev/zero of=/mnt/large bs=1M count=80 2> /dev/null || echo full"));
        await ShellAsync(id, "rm /mnt/large; umount /mnt");
        await BootedAsync(id);

        Assert.True(await Driver.RebootAsync(id, EngineHost.Grace, Token));
        Assert.Equal("1000 1001 kept", await ShellAsync(id, "echo $(stat -c '%u %g' /mnt/busybox) $(cat /media/ephemeral1/file)"));

        await Driver.StopAsync(id, TimeSpan.Zero, Token);
        await Driver.StartAsync(id, Token);
        Assert.Equal("1000 1001 kept", await ShellAsync(id, "echo $(stat -c '%u %g' /mnt/busybox) $(cat /media/ephemeral1/file)"));
    }

    /// <summary>Neither a mount of the guest's comes up on the host, nor a file of a disk in an image.</summary>
    [Fact]
    public async Task NothingOfThemGetsOut()
    {
        var id = await StartAsync("/mnt");
        await ShellAsync(id, "mkdir /mnt/below; mount -t tmpfs none /mnt/below; echo secret > /mnt/file");

        var host = Path.Combine(_options.StateDirectory, "containers", id.ToString());
        Assert.True(File.Exists(Path.Combine(host, "ephemeral0", "file")));
        Assert.DoesNotContain("/mnt/below", await File.ReadAllTextAsync("/proc/self/mountinfo", Token), StringComparison.Ordinal);
        Assert.DoesNotContain(Path.Combine(host, "ephemeral0", "below"), await File.ReadAllTextAsync("/proc/self/mountinfo", Token), StringComparison.Ordinal);
        await using (var export = await Driver.ExportAsync(id, Token))
        {
            await Driver.ImportImageAsync(new ImageImport { Key = "export", OpenAsync = _ => Task.FromResult(export.Content) }, Token);
        }

        await Driver.DeleteAsync(id, Token);
        Assert.False(Directory.Exists(host));
        Assert.Equal("", await ShellAsync(await StartAsync("export", []), "ls /mnt"));
    }

    [Fact]
    public async Task ARescueSystemDoesNotHaveThemAndLeavesThemAlone()
    {
        var id = await StartAsync("/mnt");
        await ShellAsync(id, "echo kept > /mnt/file");
        await Driver.StopAsync(id, TimeSpan.Zero, Token);
        await Driver.RescueAsync(id, "image", Token);
        await Driver.StartAsync(id, Token);
        Assert.Equal("instance", await ShellAsync(id, "ls /mnt"));

        await Driver.StopAsync(id, TimeSpan.Zero, Token);
        await Driver.UnrescueAsync(id, Token);
        await Driver.StartAsync(id, Token);
        Assert.Equal("kept", await ShellAsync(id, "cat /mnt/file"));
    }

    /// <summary>A link of the image leads into itself and never to a folder of the host; where it leads nowhere, the launch says so.</summary>
    [Theory]
    [InlineData("/tmp", "/mnt", true)]
    [InlineData("../../../../tmp", "/mnt", false)]
    [InlineData("/proc/self/cwd/tmp", "/mnt", false)]
    [InlineData("../../../../tmp", "/mnt/below", false)]
    public async Task AHostileImageDoesNotLeadThemOut(string target, string folder, bool boots)
    {
        await ImportAsync("hostile", target);
        if (boots)
        {
            var id = await StartAsync("hostile", [folder]);
            Assert.Equal("lost+found", await ShellAsync(id, "ls /tmp"));
        }
        else
        {
            var failure = await Assert.ThrowsAsync<LaunchFailedException>(() => StartAsync("hostile", [folder]));
            Assert.Contains("on which a disk is to be mounted", failure.Message, StringComparison.Ordinal);
        }

        Assert.False(Directory.Exists("/tmp/lost+found") || Directory.Exists("/tmp/below"));
    }

    [Fact]
    public async Task AnotherSizeAddsOneAndTakesItAway()
    {
        var id = await StartAsync();
        var size = new ContainerSize { RootDiskBytes = Size, Disks = [new DiskSpec("/mnt", Size)] };
        await Driver.StopAsync(id, TimeSpan.Zero, Token);
        await Driver.ResizeAsync(id, size, Token);
        await Driver.StartAsync(id, Token);
        Assert.Equal("lost+found", await ShellAsync(id, "ls /mnt"));

        await Driver.StopAsync(id, TimeSpan.Zero, Token);
        await Driver.ResizeAsync(id, size with { Disks = [] }, Token);
        await Driver.StartAsync(id, Token);
        Assert.Equal("", await ShellAsync(id, "ls /mnt"));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(_options.StateDirectory, "containers", id.ToString()), "ephemeral*"));
    }

    private protected override Task ImportAsync() => ImportAsync("image");

    private Task<Guid> StartAsync(params string[] folders) => StartAsync("image", folders);

    private async Task<Guid> StartAsync(string image, string[] folders)
    {
        var spec = new ContainerSpec
        {
            Id = Guid.NewGuid(),
            Name = $"{_mark}-1",
            Hostname = "guest",
            ImageKey = image,
            RootDiskBytes = Size,
            Disks = [.. folders.Select(folder => new DiskSpec(folder, Size))],
        };
        await Driver.CreateAsync(spec, Token);
        await Driver.StartAsync(spec.Id, Token);
        return spec.Id;
    }

    /// <param name="mnt">Target of the link /mnt; null: it has none.</param>
    private async Task ImportAsync(string key, string? mnt = null)
    {
        var tar = new TarBuilder();
        foreach (var folder in new[] { "./", "bin/", "sbin/", "etc/", "proc/", "sys/", "dev/", "tmp/", "run/" })
        {
            tar.Directory(folder);
        }

        tar.Member("bin/busybox", TarBuilder.FileType, await File.ReadAllBytesAsync("/bin/busybox"), 0x1ED);
        foreach (var applet in new[] { "sh", "sleep", "cat", "echo", "ls", "stat", "chown", "chmod", "mkdir", "rm", "cp", "dd", "df", "awk", "tail", "mount", "umount" })
        {
            tar.SymbolicLink($"bin/{applet}", "busybox");
        }

        tar.SymbolicLink("sbin/init", "../bin/busybox");
        tar.File("etc/inittab", "::respawn:/bin/sleep 1000000\n");
        if (mnt is not null)
        {
            tar.SymbolicLink("mnt", mnt);
        }

        var content = tar.Build();
        await Driver.ImportImageAsync(new ImageImport { Key = key, OpenAsync = _ => Task.FromResult<Stream>(new MemoryStream(content)) }, Token);
    }
}
