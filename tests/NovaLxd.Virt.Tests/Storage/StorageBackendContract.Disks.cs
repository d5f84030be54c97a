using System.Security.Cryptography;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Tests.Storage;

/// <summary>The contract of the disks that a root file system may have beside it.</summary>
public abstract partial class StorageBackendContract
{
    [Theory]
    [InlineData(Size)]
    [InlineData(null)]
    public async Task FurtherDisksAreEmptyLimitedAndKept(long? root)
    {
        var id = await MakeWithDisksAsync(root, Size, 2 * Size);
        var mount = await Backend.MountAsync(id, None);

        Assert.Equal(2, mount.Disks.Count);
        Assert.InRange(FileSystemUsage.Of(mount.Disks[0]).TotalBytes, Size / 2, Size);
        Assert.InRange(FileSystemUsage.Of(mount.Disks[1]).TotalBytes, Size * 3 / 2, 2 * Size);
        Assert.All(mount.Disks, folder => Assert.Equal(["lost+found"], Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName)));
        await Assert.ThrowsAsync<IOException>(() => File.WriteAllBytesAsync(mount.Disks[0] + "/large", RandomNumberGenerator.GetBytes((int)Size)));
        await File.WriteAllTextAsync(mount.Disks[1] + "/kept", "x");

        await Backend.UnmountAsync(id, None);
        (Backend as IDisposable)?.Dispose();
        Backend = await StartAsync();
        var again = await Backend.MountAsync(id, None);

        Assert.Equivalent(mount, again, strict: true);
        Assert.Equal("x", await File.ReadAllTextAsync(again.Disks[1] + "/kept"));
        Assert.Equivalent(again, await Backend.MountAsync(id, None), strict: true);
    }

    [Fact]
    public async Task FurtherDisksBecomeMoreAndLargerAndKeepTheirFiles()
    {
        var id = await MakeWithDisksAsync(Size, Size);
        await File.WriteAllTextAsync((await Backend.MountAsync(id, None)).Disks[0] + "/kept", "x");
        await Assert.ThrowsAsync<ContainerStateException>(() => Backend.ResizeRootfsAsync(id, Size, [2 * Size], None));
        await Backend.UnmountAsync(id, None);

        await Backend.ResizeRootfsAsync(id, Size, [2 * Size, Size], None);
        await Backend.ResizeRootfsAsync(id, Size, [2 * Size, Size], None);

        var mount = await Backend.MountAsync(id, None);
        Assert.Equal(2, mount.Disks.Count);
        Assert.Equal("x", await File.ReadAllTextAsync(mount.Disks[0] + "/kept"));
        Assert.InRange(FileSystemUsage.Of(mount.Disks[0]).TotalBytes, Size * 3 / 2, 2 * Size);
    }

    /// <summary>Who gives up half way through a change brings back what there was, with its files; once it is used without, it is gone.</summary>
    [Fact]
    public async Task ADiskThatIsTakenAwayCanBeBroughtBackUntilTheRootIsMounted()
    {
        var id = await MakeWithDisksAsync(null, Size);
        await File.WriteAllTextAsync((await Backend.MountAsync(id, None)).Disks[0] + "/kept", "x");
        await Backend.UnmountAsync(id, None);

        await Backend.ResizeRootfsAsync(id, null, [], None);
        await Backend.ResizeRootfsAsync(id, null, [Size], None);
        Assert.Equal("x", await File.ReadAllTextAsync((await Backend.MountAsync(id, None)).Disks[0] + "/kept"));
        await Backend.UnmountAsync(id, None);

        await Backend.ResizeRootfsAsync(id, null, [], None);
        Assert.Empty((await Backend.MountAsync(id, None)).Disks);
        await Backend.UnmountAsync(id, None);
        await Backend.ResizeRootfsAsync(id, null, [Size], None);
        Assert.False(File.Exists((await Backend.MountAsync(id, None)).Disks[0] + "/kept"));
    }

    [Fact]
    public async Task FurtherDisksOfARootThatCannotBeMadeAreNotLeft()
    {
        await Backend.ImportImageAsync(Import("image", TarBuilder.Root().Build()), None);
        var request = Request(Guid.NewGuid()) with { DiskBytes = [Size], Files = [new InjectedFile("/etc", [])] };
        await Assert.ThrowsAsync<ArgumentException>(() => Backend.CreateRootfsAsync(request, None));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(State, "containers")));
    }

    private async Task<Guid> MakeWithDisksAsync(long? size, params long[] disks)
    {
        await Backend.ImportImageAsync(Import("image", TarBuilder.Root().Build()), None);
        var request = Request(Guid.NewGuid()) with { SizeBytes = size, DiskBytes = disks };
        await Backend.CreateRootfsAsync(request, None);
        return request.Id;
    }
}
