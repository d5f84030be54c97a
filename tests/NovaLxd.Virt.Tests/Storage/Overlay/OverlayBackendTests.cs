using System.ComponentModel;
using System.Security.Cryptography;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Processes;
using NovaLxd.Virt.Storage;
using NovaLxd.Virt.Storage.Overlay;

namespace NovaLxd.Virt.Tests.Storage.Overlay;

/// <summary>What is the overlay backend's own: the disk in a file, its loop device, and what it finds after a crash.</summary>
[Trait("Lane", "root")]
public sealed class OverlayBackendTests : IAsyncLifetime
{
    private static readonly CancellationToken _none = CancellationToken.None;
    private readonly string _state = Path.Combine(Path.GetTempPath(), $"nls-{Guid.NewGuid():N}");
    private readonly Guid _id = Guid.NewGuid();
    private HostResources _before = null!;
    private OverlayBackend _backend = null!;

    private string Container => Path.Combine(_state, "containers", _id.ToString());

    public async Task InitializeAsync()
    {
        RootLane.Require();
        _before = HostResources.Take(_state);
        Directory.CreateDirectory(_state);
        await StartAsync();
    }

    public async Task DisposeAsync()
    {
        await _backend.DeleteRootfsAsync(_id, _none);
        _backend.Dispose();
        if (FileSystemMount.IsMountPoint("/tmp", Path.GetFileName(_state)))
        {
            FileSystemMount.Detach(_state);
        }

        Directory.Delete(_state, recursive: true);
        await _before.AssertUnchangedAsync();
    }

    [Theory]
    [InlineData(1, 0.96)]
    [InlineData(20, 0.97)]
    public async Task DfShowsTheSizeOfTheFlavor(int gigabytes, double atLeast)
    {
        var size = (long)gigabytes << 30;
        var mount = await CreateAsync(size);
        var usage = FileSystemUsage.Of(mount.UpperDirectory);
        Assert.InRange(usage.TotalBytes, (long)(size * atLeast), size);
        Assert.InRange(usage.UsedBytes, 0, 1 << 20);
        Assert.InRange(Allocated(Path.Combine(Container, "root.ext4")), 1, 8 << 20);
    }

    [Fact]
    public async Task AFullDiskIsTheGuestsOwnAffair()
    {
        var mount = await CreateAsync(32 << 20);
        var failure = Assert.Throws<IOException>(() => File.WriteAllBytes(mount.UpperDirectory + "/all", new byte[40 << 20]));
        Assert.Equal(Errno.ENOSPC, failure.HResult);

        await File.WriteAllTextAsync(Path.Combine(_state, "neighbour"), "has room");
        await _backend.UnmountAsync(_id, _none);
        await _backend.MountAsync(_id, _none);
        File.Delete(mount.UpperDirectory + "/all");
        await File.WriteAllTextAsync(mount.UpperDirectory + "/some", "fits again");
    }

    [Fact]
    public async Task WhatTheGuestDeletesIsGivenBackToTheHost()
    {
        var mount = await CreateAsync(128 << 20);
        var image = Path.Combine(Container, "root.ext4");
        await File.WriteAllBytesAsync(mount.UpperDirectory + "/data", new byte[40 << 20]);
        await CommandRunner.RunAsync(["sync", "-f", mount.UpperDirectory], _none);
        Assert.InRange(Allocated(image), 40 << 20, 60 << 20);

        File.Delete(mount.UpperDirectory + "/data");
        await CommandRunner.RunAsync(["sync", "-f", mount.UpperDirectory], _none);
        await Engine.EngineHost.UntilAsync("the blocks are given back", () => Task.FromResult(Allocated(image) < 10 << 20));
    }

    [Fact]
    public async Task ProgramsRunFromAnOverlayAboveButNotFromTheLayers()
    {
        var mount = await CreateAsync(64 << 20);
        var merged = Path.Combine(_state, "merged");
        Directory.CreateDirectory(merged);
        File.Copy("/bin/true", mount.UpperDirectory + "/true");
        await Assert.ThrowsAsync<Win32Exception>(() => CommandRunner.RunAsync([mount.UpperDirectory + "/true"], _none));

        var options = $"lowerdir={mount.LowerDirectories[0]},upperdir={mount.UpperDirectory},workdir={mount.WorkDirectory}";
        await CommandRunner.RunAsync(["mount", "-t", "overlay", "overlay", "-o", options, merged], _none);
        try
        {
            await CommandRunner.RunAsync([merged + "/true"], _none);
            Assert.Equal("#!init\n", await File.ReadAllTextAsync(merged + "/bin/sh"));
        }
        finally
        {
            await CommandRunner.RunAsync(["umount", merged], _none);
        }
    }

    [Fact]
    public async Task NobodyButRootReachesImagesAndRoots()
    {
        await CreateAsync(64 << 20);
        Assert.Equal(0b111_000_000u, Mode("images"));
        Assert.Equal(0b111_000_000u, Mode("containers"));
    }

    [Fact]
    public async Task ADiskStillUsedElsewhereIsNotAttachedTwice()
    {
        var mount = await CreateAsync(64 << 20);

        // The other namespace gets a copy of the mount, as a container gets one by its overlay.
        using var other = new System.Diagnostics.Process
        {
            StartInfo = new System.Diagnostics.ProcessStartInfo("unshare", ["-m", "--propagation", "private", "sh", "-c", "echo ready; read wait"])
            {
                RedirectStandardOutput = true,
                RedirectStandardInput = true,
            },
        };
        other.Start();
        Assert.Equal("ready", await other.StandardOutput.ReadLineAsync());
        await File.WriteAllTextAsync(mount.UpperDirectory + "/file", "1");
        await _backend.UnmountAsync(_id, _none);
        Assert.False(Directory.Exists(mount.UpperDirectory));

        await _backend.MountAsync(_id, _none);

        Assert.Equal("1", await File.ReadAllTextAsync(mount.UpperDirectory + "/file"));
        Assert.Single(HostResources.Take(_state).Lines, line => line.StartsWith("loop ", StringComparison.Ordinal));
        other.StandardInput.Close();
        await other.WaitForExitAsync();
    }

    [Fact]
    public async Task AHostThatWasNotShutDownFindsItsDisks()
    {
        var mount = await CreateAsync(64 << 20);
        await File.WriteAllTextAsync(mount.UpperDirectory + "/committed", "x");
        await CommandRunner.RunAsync(["sync", "-f", mount.UpperDirectory], _none);

        // The disk as a power failure leaves it: mounted, its journal not empty.
        var image = Path.Combine(Container, "root.ext4");
        await CommandRunner.RunAsync(["cp", "--sparse=always", image, image + ".crashed"], _none);
        await _backend.UnmountAsync(_id, _none);
        _backend.Dispose();
        File.Move(image + ".crashed", image, overwrite: true);
        Assert.Contains("needs_recovery", await CommandRunner.RunAsync(["dumpe2fs", "-h", image], _none), StringComparison.Ordinal);
        await StartAsync();

        Assert.Equal("x", await File.ReadAllTextAsync((await _backend.MountAsync(_id, _none)).UpperDirectory + "/committed"));
    }

    [Fact]
    public async Task ADamagedDiskIsCheckedBeforeItIsMounted()
    {
        var mount = await CreateAsync(64 << 20);
        await File.WriteAllTextAsync(mount.UpperDirectory + "/file", "x");
        await _backend.UnmountAsync(_id, _none);
        await DetachedAsync();
        var image = Path.Combine(Container, "root.ext4");
        await CommandRunner.RunAsync(["debugfs", "-w", "-R", "ssv state 3", image], _none);

        await _backend.MountAsync(_id, _none);
        Assert.Equal("x", await File.ReadAllTextAsync(mount.UpperDirectory + "/file"));

        await _backend.UnmountAsync(_id, _none);
        Assert.Contains("clean", await CommandRunner.RunAsync(["e2fsck", "-p", image], _none), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ADiskBeyondRepairIsNamedAndCanBeDeleted()
    {
        await CreateAsync(64 << 20);
        await _backend.UnmountAsync(_id, _none);
        await DetachedAsync();
        var image = Path.Combine(Container, "root.ext4");

        // Not by a stream of .NET: it would lock the file, of which another test's child may still have a copy until it executes its program.
        await CommandRunner.RunAsync(["dd", "status=none", "if=/dev/zero", $"of={image}", "bs=1M", "count=1"], _none);
        var failure = await Assert.ThrowsAsync<ContainerStateException>(() => _backend.MountAsync(_id, _none));
        Assert.Contains(image, failure.Message, StringComparison.Ordinal);
        await _backend.DeleteRootfsAsync(_id, _none);
        Assert.False(Directory.Exists(Container));
    }

    [Fact]
    public async Task WhatAKilledRunLeftHalfMadeIsRemovedAndOthersThingsAreKept()
    {
        await CreateAsync(64 << 20);
        File.Delete(Path.Combine(Container, "rootfs.json")); // Killed before the last step, disk attached and mounted.
        await File.WriteAllTextAsync(Path.Combine(Container, "container.json"), "somebody else's");
        foreach (var folder in (string[])["images/.import-1/tree/etc", "images/.delete-2/root", "images/0123/root", "containers/" + Guid.NewGuid() + "/disk/upper/deep"])
        {
            Directory.CreateDirectory(Path.Combine(_state, folder));
        }

        await File.WriteAllTextAsync(Path.Combine(_state, "templates/ext4-1-1.img.draft"), "");
        _backend.Dispose();
        await StartAsync();

        Assert.Equal(["container.json"], Directory.EnumerateFileSystemEntries(Container).Select(Path.GetFileName));
        Assert.Single(Directory.EnumerateFileSystemEntries(Path.Combine(_state, "images")));
        Assert.Single(Directory.EnumerateFileSystemEntries(Path.Combine(_state, "containers")));
        Assert.DoesNotContain(Directory.EnumerateFiles(Path.Combine(_state, "templates")), path => path.EndsWith("draft", StringComparison.Ordinal));
        Assert.True(await _backend.DeleteImageAsync("image", _none));
        File.Delete(Path.Combine(Container, "container.json"));
        await CreateAsync(64 << 20);
    }

    [Fact]
    public async Task AFullHostIsSaidAndNothingIsLeft()
    {
        await OnSmallFileSystemAsync("8m");
        var large = TarBuilder.Root().Member("etc/large", TarBuilder.FileType, RandomNumberGenerator.GetBytes(20 << 20)).Build();
        await Assert.ThrowsAsync<OutOfSpaceException>(() => _backend.ImportImageAsync(Import("large", large), _none));
        var squashfs = await TarBuilder.SquashfsAsync(large, "-noD", "-noF");
        await Assert.ThrowsAsync<OutOfSpaceException>(() => _backend.ImportImageAsync(Import("squashfs", squashfs), _none));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(_state, "images")));

        await _backend.ImportImageAsync(Import("image", TarBuilder.Root().Build()), _none);
        await File.WriteAllBytesAsync(Path.Combine(_state, "ballast"), new byte[7 << 20]);
        var request = new RootfsRequest(_id, "image", 1L << 30, null, [new InjectedFile("/etc/x", new byte[600_000])]);
        await Assert.ThrowsAsync<OutOfSpaceException>(() => _backend.CreateRootfsAsync(request, _none));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(_state, "containers")));
        Assert.True(await _backend.DeleteImageAsync("image", _none));
    }

    [Fact]
    public async Task FilesThatDoNotFitTheDiskFailTheCreation()
    {
        await _backend.ImportImageAsync(Import("image", TarBuilder.Root().Build()), _none);
        var request = new RootfsRequest(_id, "image", 16 << 20, null, [new InjectedFile("/etc/x", new byte[20 << 20])]);
        await Assert.ThrowsAsync<OutOfSpaceException>(() => _backend.CreateRootfsAsync(request, _none));
        Assert.False(Directory.Exists(Container));
    }

    [Fact]
    public async Task ATreeDeeperThanAnyPathIsCountedAndDeleted()
    {
        var mount = await CreateAsync(null);
        var current = DirectoryHandle.Open(mount.UpperDirectory);
        for (var depth = 0; depth < 3000; depth++)
        {
            using var above = current;
            above.MakeDirectory("level"u8, 0x1C0);
            above.MakeSymbolicLink("/etc"u8, "link"u8);
            current = above.OpenChild("level"u8);
        }

        current.Dispose();
        Assert.True(await _backend.GetUsedBytesAsync(_id, _none) > 500 * 4096);
        await _backend.DeleteRootfsAsync(_id, _none);
        Assert.False(Directory.Exists(Container));
        Assert.True(Directory.Exists("/etc"));
    }

    [Fact]
    public async Task TheTimeOfLastUseIsKept()
    {
        var time = new ManualTime();
        _backend.Dispose();
        _backend = new OverlayBackend(_state, time, Microsoft.Extensions.Logging.Abstractions.NullLogger<OverlayBackend>.Instance);
        await _backend.InitializeAsync(_none);
        var imported = await _backend.ImportImageAsync(Import("image", TarBuilder.Root().Build()), _none);
        Assert.Equal(time.Now, imported.LastUsedAt);
        time.Now += TimeSpan.FromDays(3);
        await _backend.CreateRootfsAsync(new RootfsRequest(_id, "image", null, null, []), _none);
        var found = (await _backend.FindImageAsync("image", _none))!;
        Assert.Equal((imported.ImportedAt, time.Now), (found.ImportedAt, found.LastUsedAt));
    }

    private static ImageImport Import(string key, byte[] content) => new() { Key = key, OpenAsync = _ => Task.FromResult<Stream>(new MemoryStream(content)) };

    private static long Allocated(string path)
    {
        using var file = Ext4Disks.Open(path, writable: false);
        return FileStatus.Of(file).Blocks * 512;
    }

    /// <summary>
    /// Waits until no loop device has the disk. Where udevd still looks at one it stays, and who mounts by it sees what it has read and not what is changed in the
    /// file meanwhile.
    /// </summary>
    private Task DetachedAsync() => Engine.EngineHost.UntilAsync(
        "the disk is attached nowhere",
        () => Task.FromResult(!HostResources.Take(_state).Lines.Any(line => line.StartsWith("loop ", StringComparison.Ordinal))));

    private async Task StartAsync()
    {
        _backend = new OverlayBackend(_state, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger<OverlayBackend>.Instance);
        await _backend.InitializeAsync(_none);
    }

    private async Task<RootfsMount> CreateAsync(long? size)
    {
        await _backend.ImportImageAsync(Import("image", TarBuilder.Root().Build()), _none);
        await _backend.CreateRootfsAsync(new RootfsRequest(_id, "image", size, null, []), _none);
        return await _backend.MountAsync(_id, _none);
    }

    private async Task OnSmallFileSystemAsync(string size)
    {
        _backend.Dispose();
        await CommandRunner.RunAsync(["mount", "-t", "tmpfs", "-o", $"size={size}", "tmpfs", _state], _none);
        await StartAsync();
    }

    private uint Mode(string name)
    {
        using var state = DirectoryHandle.Open(_state);
        return state.Stat(System.Text.Encoding.ASCII.GetBytes(name))!.Value.Permissions;
    }

    private sealed class ManualTime : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
