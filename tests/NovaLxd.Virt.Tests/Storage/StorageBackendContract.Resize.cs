using System.Security.Cryptography;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Tests.Storage;

/// <summary>The contract of another size for a root file system.</summary>
public abstract partial class StorageBackendContract
{
    [Fact]
    public async Task ALargerRootKeepsItsFilesAndHasRoomForMore()
    {
        var id = await MakeAsync(Size);
        var mount = await Backend.MountAsync(id, None);
        await File.WriteAllTextAsync(mount.UpperDirectory + "/kept", "x");
        await Backend.UnmountAsync(id, None);

        await Backend.ResizeRootfsAsync(id, 4 * Size, [], None);
        await Backend.ResizeRootfsAsync(id, 4 * Size, [], None);

        mount = await Backend.MountAsync(id, None);
        Assert.Equal("x", await File.ReadAllTextAsync(mount.UpperDirectory + "/kept"));
        Assert.InRange(FileSystemUsage.Of(mount.UpperDirectory).TotalBytes, 3 * Size, 4 * Size);
        await File.WriteAllBytesAsync(mount.UpperDirectory + "/large", RandomNumberGenerator.GetBytes((int)(2 * Size)));
    }

    [Fact]
    public async Task ASmallerRootKeepsItsFiles()
    {
        var id = await MakeAsync(4 * Size);
        var mount = await Backend.MountAsync(id, None);
        var content = RandomNumberGenerator.GetBytes(20 << 20);
        await File.WriteAllBytesAsync(mount.UpperDirectory + "/hole", new byte[100 << 20]);
        await File.WriteAllBytesAsync(mount.UpperDirectory + "/kept", content);
        File.Delete(mount.UpperDirectory + "/hole");
        await Backend.UnmountAsync(id, None);

        await Backend.ResizeRootfsAsync(id, Size, [], None);

        mount = await Backend.MountAsync(id, None);
        Assert.Equal(content, await File.ReadAllBytesAsync(mount.UpperDirectory + "/kept"));
        Assert.InRange(FileSystemUsage.Of(mount.UpperDirectory).TotalBytes, Size / 2, Size);
    }

    [Fact]
    public async Task ARootThatHoldsMoreIsRefusedAndIsAsItWas()
    {
        var id = await MakeAsync(4 * Size);
        var mount = await Backend.MountAsync(id, None);
        var content = RandomNumberGenerator.GetBytes((int)(2 * Size));
        await File.WriteAllBytesAsync(mount.UpperDirectory + "/large", content);
        await Backend.UnmountAsync(id, None);

        var failure = await Assert.ThrowsAsync<ContainerStateException>(() => Backend.ResizeRootfsAsync(id, Size, [], None));

        Assert.Contains("do not fit", failure.Message, StringComparison.Ordinal);
        mount = await Backend.MountAsync(id, None);
        Assert.Equal(content, await File.ReadAllBytesAsync(mount.UpperDirectory + "/large"));
        Assert.InRange(FileSystemUsage.Of(mount.UpperDirectory).TotalBytes, 3 * Size, 4 * Size);
    }

    [Theory]
    [InlineData(Size, null)]
    [InlineData(null, Size)]
    [InlineData(Size, 1L)]
    public async Task ASizeThatARootCannotHaveIsRefused(long? before, long? after)
    {
        var id = await MakeAsync(before);
        await Backend.UnmountAsync(id, None);

        await Assert.ThrowsAsync<ContainerStateException>(() => Backend.ResizeRootfsAsync(id, after, [], None));

        Assert.NotEmpty((await Backend.MountAsync(id, None)).LowerDirectories);
    }

    [Fact]
    public async Task ARootWithoutASizeHasNoneAgain()
    {
        var id = await MakeAsync(null);
        await Backend.ResizeRootfsAsync(id, null, [], None);
        Assert.NotEmpty((await Backend.MountAsync(id, None)).LowerDirectories);
    }

    [Fact]
    public async Task AMountedRootIsNotTouched()
    {
        var id = await MakeAsync(Size);
        var mount = await Backend.MountAsync(id, None);

        await Assert.ThrowsAsync<ContainerStateException>(() => Backend.ResizeRootfsAsync(id, 2 * Size, [], None));

        await File.WriteAllTextAsync(mount.UpperDirectory + "/works", "on");
    }

    [Fact]
    public Task NobodysRootIsNotResized() => Assert.ThrowsAsync<ContainerNotFoundException>(() => Backend.ResizeRootfsAsync(Guid.NewGuid(), Size, [], None));
}
