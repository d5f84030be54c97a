using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Processes;
using NovaLxd.Virt.Storage;
using NovaLxd.Virt.Storage.Overlay;

namespace NovaLxd.Virt.Tests.Storage.Overlay;

/// <summary>A change of a disk's size in whose midst the service, or the program that makes it, was killed.</summary>
[Trait("Lane", "root")]
public sealed class InterruptedResizeTests : IAsyncLifetime
{
    private const long Size = 128L << 20;
    private static readonly CancellationToken _none = CancellationToken.None;
    private readonly string _state = Path.Combine(Path.GetTempPath(), $"nls-{Guid.NewGuid():N}");
    private readonly Guid _id = Guid.NewGuid();
    private HostResources _before = null!;
    private OverlayBackend _backend = null!;

    private string Disk => Path.Combine(_state, "containers", _id.ToString(), "root.ext4");

    private string Undo => Path.Combine(_state, "containers", _id.ToString(), "root.undo");

    public async Task InitializeAsync()
    {
        RootLane.Require();
        _before = HostResources.Take(_state);
        Directory.CreateDirectory(_state);
        _backend = new OverlayBackend(_state, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger<OverlayBackend>.Instance);
        await _backend.InitializeAsync(_none);
        var image = new ImageImport { Key = "image", OpenAsync = _ => Task.FromResult<Stream>(new MemoryStream(TarBuilder.Root().Build())) };
        await _backend.ImportImageAsync(image, _none);
        await _backend.CreateRootfsAsync(new RootfsRequest(_id, "image", Size, null, []), _none);
        await File.WriteAllTextAsync((await _backend.MountAsync(_id, _none)).UpperDirectory + "/kept", "x");
        await _backend.UnmountAsync(_id, _none);
    }

    public async Task DisposeAsync()
    {
        await _backend.DeleteRootfsAsync(_id, _none);
        _backend.Dispose();
        Directory.Delete(_state, recursive: true);
        await _before.AssertUnchangedAsync();
    }

    /// <summary>What resize2fs did is undone before the disk is used.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task WhatIsNotFinishedIsTakenBackBeforeTheDiskIsUsed(bool mounted)
    {
        await ChangeAsync(4 * Size, finished: false);

        if (!mounted)
        {
            await _backend.ResizeRootfsAsync(_id, Size, [], _none);
        }

        await AssertAsync(Size);
    }

    [Fact]
    public async Task ItIsMadeAnewWhenTheSizeIsAskedForAgain()
    {
        await ChangeAsync(4 * Size, finished: false);

        await _backend.ResizeRootfsAsync(_id, 4 * Size, [], _none);

        await AssertAsync(4 * Size);
    }

    /// <summary>Killed before the undo file went, or before the record was written: the disk is believed.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task WhatIsFinishedStands(bool undo)
    {
        await ChangeAsync(4 * Size, finished: true);
        if (!undo)
        {
            File.Delete(Undo);
        }

        await AssertAsync(4 * Size);
        await _backend.ResizeRootfsAsync(_id, Size, [], _none);
        await AssertAsync(Size);
    }

    /// <summary>Killed before its first record: the disk was not touched.</summary>
    [Fact]
    public async Task AnEmptyUndoFileIsNoneAtAll()
    {
        await File.WriteAllBytesAsync(Undo, []);

        await AssertAsync(Size);
    }

    /// <summary>Whenever resize2fs dies, the disk is whole afterwards: it writes what it is about to overwrite first.</summary>
    [Fact]
    public async Task AProgramThatWasKilledLeavesAWholeDisk()
    {
        for (var milliseconds = 2; milliseconds <= 62; milliseconds += 10)
        {
            await CheckAsync();
            await CommandRunner.RunAsync(["truncate", "-s", $"{32L << 30}", Disk], _none);
            await CommandRunner.RunAsync(["sh", "-c", $"timeout -s KILL 0.0{milliseconds:00} resize2fs -z {Undo} {Disk} {32 << 20}K || true"], _none);

            await _backend.ResizeRootfsAsync(_id, Size, [], _none);

            await AssertAsync(Size);
        }
    }

    /// <summary>What is at the end of a disk that becomes smaller is moved first, and cut off last.</summary>
    [Fact]
    public async Task AProgramThatWasKilledWhileItMadeTheDiskSmallerLosesNothing()
    {
        var content = System.Security.Cryptography.RandomNumberGenerator.GetBytes(40 << 20);
        for (var milliseconds = 2; milliseconds <= 99; milliseconds += 16)
        {
            await _backend.ResizeRootfsAsync(_id, 4 * Size, [], _none);
            var upper = (await _backend.MountAsync(_id, _none)).UpperDirectory;
            await File.WriteAllBytesAsync(upper + "/front", new byte[300 << 20]);
            await File.WriteAllBytesAsync(upper + "/end", content);
            File.Delete(upper + "/front");
            await _backend.UnmountAsync(_id, _none);

            await CheckAsync();
            await CommandRunner.RunAsync(["sh", "-c", $"timeout -s KILL 0.0{milliseconds:00} resize2fs -z {Undo} {Disk} {Size >> 10}K || true"], _none);

            upper = (await _backend.MountAsync(_id, _none)).UpperDirectory;
            Assert.Equal(content, await File.ReadAllBytesAsync(upper + "/end"));
            File.Delete(upper + "/end");
            await _backend.UnmountAsync(_id, _none);
            await CheckAsync();
        }
    }

    /// <summary>As resize2fs does it, with the mark that it takes away last.</summary>
    private async Task ChangeAsync(long size, bool finished)
    {
        await CheckAsync();
        await CommandRunner.RunAsync(["truncate", "-s", $"{size}", Disk], _none);
        await CommandRunner.RunAsync(["resize2fs", "-z", Undo, Disk, $"{size >> 10}K"], _none);
        if (!finished)
        {
            await CommandRunner.RunAsync(["debugfs", "-w", "-R", "set_super_value state 3", Disk], _none);
        }
    }

    /// <summary>As resize2fs demands; the kernel lets go of the disk behind our back.</summary>
    private Task CheckAsync() => CommandRunner.RunAsync(["flock", "-w", "120", Disk, "sh", "-c", $"e2fsck -f -p {Disk} || [ $? = 1 ]"], _none);

    private async Task AssertAsync(long size)
    {
        var mount = await _backend.MountAsync(_id, _none);
        Assert.Equal("x", await File.ReadAllTextAsync(mount.UpperDirectory + "/kept"));
        Assert.InRange(FileSystemUsage.Of(mount.UpperDirectory).TotalBytes, size / 4 * 3, size);
        Assert.False(File.Exists(Undo));
        await _backend.UnmountAsync(_id, _none);
        await CheckAsync();
    }
}
