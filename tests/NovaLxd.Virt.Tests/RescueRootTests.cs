using System.Text;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Tests.Engine;
using NovaLxd.Virt.Tests.Storage;

namespace NovaLxd.Virt.Tests;

/// <summary>A real container that is rescued: what root of the rescue system does to the instance's own root is there when that is booted again.</summary>
[Trait("Lane", "root")]
public sealed class RescueRootTests : ContainerHostFixture
{
    private const string Attribute = "user.note";

    [Theory]
    [InlineData(64L << 20)]
    [InlineData(null)]
    public async Task FilesOfTheInstanceAreReadAndWrittenWithTheirIdsAndAttributes(long? disk)
    {
        var id = await StartAsync(disk);
        await ShellAsync(id, "echo before > /root/file; chown 1000:1001 /root/file; chmod 640 /root/file");
        await SetAttributeAsync(id, "/root/file", "kept");
        await RescueAsync(id);

        Assert.Equal("rescue own", await ShellAsync(id, "echo $(cat /etc/which) $(cat /mnt/instance/etc/which)"));
        Assert.Equal("before", await ShellAsync(id, "cat /mnt/instance/root/file"));
        Assert.Equal("1000 1001 640", await ShellAsync(id, "stat -c '%u %g %a' /mnt/instance/root/file"));
        Assert.Equal("kept", await GetAttributeAsync(id, "/mnt/instance/root/file"));
        await ShellAsync(id, "echo after > /mnt/instance/etc/which; mkdir /mnt/instance/srv; echo new > /mnt/instance/srv/file; chown -R 7:8 /mnt/instance/srv; rm /mnt/instance/etc/gone");
        await SetAttributeAsync(id, "/mnt/instance/srv/file", "set in rescue");
        Assert.Equal("after", await ShellAsync(id, "chroot /mnt/instance /bin/cat /etc/which"));

        await Driver.StopAsync(id, TimeSpan.Zero, Token);
        await Driver.UnrescueAsync(id, Token);
        await Driver.StartAsync(id, Token);

        Assert.Equal("after new", await ShellAsync(id, "echo $(cat /etc/which) $(cat /srv/file)"));
        Assert.Equal("7 8", await ShellAsync(id, "stat -c '%u %g' /srv/file"));
        Assert.Equal("set in rescue", await GetAttributeAsync(id, "/srv/file"));
        Assert.Equal("gone", await ShellAsync(id, "[ -e /etc/gone ] || [ -e /mnt/instance ] || echo gone"));
        Assert.True(await Driver.DeleteImageAsync("rescue", Token));
    }

    [Fact]
    public async Task ARebootFromInsideBootsTheRescueSystemAgain()
    {
        var id = await StartAsync(null);
        await RescueAsync(id);
        await ShellAsync(id, "echo mark > /root/mark; umount /mnt/instance");

        Assert.True(await Driver.RebootAsync(id, EngineHost.Grace, Token));

        Assert.Equal("rescue mark own", await ShellAsync(id, "echo $(cat /etc/which) $(cat /root/mark) $(cat /mnt/instance/etc/which)"));
    }

    /// <summary>A link of the image leads into itself and never to a folder of the host; where it leads nowhere, the launch says so.</summary>
    [Theory]
    [InlineData("tmp", true)]
    [InlineData("/tmp", true)]
    [InlineData("../../../../tmp", false)]
    [InlineData("/proc/self/cwd/tmp", false)]
    public async Task AHostileRescueImageDoesNotLeadTheMountOut(string target, bool boots)
    {
        await ImportAsync("hostile", "hostile", target);
        var id = await StartAsync(null);
        await Driver.StopAsync(id, TimeSpan.Zero, Token);
        await Driver.RescueAsync(id, "hostile", Token);
        if (boots)
        {
            await Driver.StartAsync(id, Token);
            Assert.Equal("own", await ShellAsync(id, "cat /tmp/instance/etc/which"));
        }
        else
        {
            await Assert.ThrowsAsync<LaunchFailedException>(() => Driver.StartAsync(id, Token));
        }

        Assert.False(Directory.Exists("/tmp/instance"));
    }

    [Fact]
    public async Task DeletedWhileRescuedItLeavesNothing()
    {
        var id = await StartAsync(64L << 20);
        await RescueAsync(id);
        await Driver.DeleteAsync(id, Token);

        Assert.Empty(Directory.EnumerateDirectories(Path.Combine(_options.StateDirectory, "containers")));
        Assert.True(await Driver.DeleteImageAsync("rescue", Token));
    }

    private protected override async Task ImportAsync()
    {
        await ImportAsync("image", "own");
        await ImportAsync("rescue", "rescue");
    }

    private async Task<Guid> StartAsync(long? disk)
    {
        var spec = new ContainerSpec { Id = Guid.NewGuid(), Name = $"{_mark}-1", Hostname = "guest", ImageKey = "image", RootDiskBytes = disk };
        await Driver.CreateAsync(spec, Token);
        await Driver.StartAsync(spec.Id, Token);
        return spec.Id;
    }

    private async Task RescueAsync(Guid id)
    {
        await BootedAsync(id);
        await Driver.StopAsync(id, TimeSpan.Zero, Token);
        await Driver.RescueAsync(id, "rescue", Token);
        await Driver.StartAsync(id, Token);
        await BootedAsync(id);
    }

    private async Task SetAttributeAsync(Guid id, string path, string value)
    {
        using var file = await OpenAsync(id, path, FileAccess.ReadWrite);
        Assert.Equal(0, Xattr.Set(file.SafeFileHandle, Attribute, Encoding.UTF8.GetBytes(value)));
    }

    private async Task<string?> GetAttributeAsync(Guid id, string path)
    {
        using var file = await OpenAsync(id, path, FileAccess.Read);
        return Xattr.Get(file.SafeFileHandle, Attribute) is { } value ? Encoding.UTF8.GetString(value) : null;
    }

    /// <summary>As the guest sees it.</summary>
    private async Task<FileStream> OpenAsync(Guid id, string path, FileAccess access) =>
        new($"/proc/{(await Driver.FindAsync(id, Token))!.InitPid}/root{path}", FileMode.Open, access);

    /// <param name="which">What /etc/which says in it.</param>
    /// <param name="mnt">Target of the link /mnt; null: it has none.</param>
    private async Task ImportAsync(string key, string which, string? mnt = null)
    {
        var tar = new TarBuilder();
        foreach (var folder in new[] { "./", "bin/", "sbin/", "etc/", "proc/", "sys/", "dev/", "tmp/", "root/", "run/" })
        {
            tar.Directory(folder);
        }

        tar.Member("bin/busybox", TarBuilder.FileType, await File.ReadAllBytesAsync("/bin/busybox"), 0x1ED);
        foreach (var applet in new[] { "sh", "sleep", "cat", "echo", "ls", "stat", "chown", "chmod", "chroot", "mkdir", "rm", "umount" })
        {
            tar.SymbolicLink($"bin/{applet}", "busybox");
        }

        tar.SymbolicLink("sbin/init", "../bin/busybox");
        tar.File("etc/inittab", "::respawn:/bin/sleep 1000000\n").File("etc/which", which + "\n").File("etc/gone", "");
        if (mnt is not null)
        {
            tar.SymbolicLink("mnt", mnt);
        }

        var content = tar.Build();
        await Driver.ImportImageAsync(new ImageImport { Key = key, OpenAsync = _ => Task.FromResult<Stream>(new MemoryStream(content)) }, Token);
    }
}
