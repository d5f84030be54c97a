using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Tests.Storage;

/// <summary>The contract of root file systems.</summary>
public abstract partial class StorageBackendContract
{
    [Fact]
    public async Task CreatingTwiceAndFromAMissingImageFails()
    {
        var id = await MakeAsync();
        await Assert.ThrowsAsync<ContainerExistsException>(() => Backend.CreateRootfsAsync(Request(id), None));
        await Assert.ThrowsAsync<ImageNotFoundException>(() => Backend.CreateRootfsAsync(Request(Guid.NewGuid()) with { ImageKey = "none" }, None));
        Assert.NotEmpty((await Backend.MountAsync(id, None)).LowerDirectories);
    }

    [Theory]
    [InlineData(Size)]
    [InlineData(null)]
    public async Task MountGivesTheSameAnswerHoweverOftenAsked(long? size)
    {
        var id = await MakeAsync(size);
        var first = await Backend.MountAsync(id, None);
        Assert.Equivalent(first, await Backend.MountAsync(id, None), strict: true);
        Assert.True(Directory.Exists(first.UpperDirectory));
        await File.WriteAllTextAsync(Path.Combine(first.UpperDirectory, "kept"), "x");

        await Backend.UnmountAsync(id, None);
        await Backend.UnmountAsync(id, None);
        var again = await Backend.MountAsync(id, None);

        Assert.Equivalent(first, again, strict: true);
        Assert.Equal("x", await File.ReadAllTextAsync(Path.Combine(again.UpperDirectory, "kept")));
    }

    [Fact]
    public async Task WhatIsNotThereIsUnmountedAndDeletedWithoutComplaintAndNotMounted()
    {
        var nobody = Guid.NewGuid();
        await Backend.UnmountAsync(nobody, None);
        await Backend.DeleteRootfsAsync(nobody, None);
        await Assert.ThrowsAsync<ContainerNotFoundException>(() => Backend.MountAsync(nobody, None));
        await Assert.ThrowsAsync<ContainerNotFoundException>(() => Backend.GetUsedBytesAsync(nobody, None));
    }

    [Fact]
    public async Task InjectedFilesBelongToTheContainerAndFollowTheImagesLinks()
    {
        var image = TarBuilder.Root().Directory("usr/").Directory("usr/lib/", 0b111_101_000, 3, 4).SymbolicLink("lib", "usr/lib").SymbolicLink("etc/resolv.conf", "../run/x")
            .SymbolicLink("up", "../../../etc");
        var id = await MakeAsync(Size, image,
            new InjectedFile("/etc/hostname", "vm\n"u8.ToArray()), new InjectedFile("/lib/cloud/seed", [1, 2], 0b110_000_000),
            new InjectedFile("/etc/resolv.conf", "ns"u8.ToArray()), new InjectedFile("/up/inside", "i"u8.ToArray()));
        var upper = (await Backend.MountAsync(id, None)).UpperDirectory;

        Assert.Equal("vm\n", await File.ReadAllTextAsync(upper + "/etc/hostname"));
        Assert.Equal((1_000_000u, 1_000_000u, 0b110_100_100u), Owner(upper, "etc/hostname"));
        Assert.Equal((1_000_000u, 1_000_000u, 0b110_000_000u), Owner(upper, "usr/lib/cloud/seed"));
        Assert.Equal((1_000_003u, 1_000_004u, 0b111_101_000u), Owner(upper, "usr/lib"));
        Assert.Equal("ns", await File.ReadAllTextAsync(upper + "/etc/resolv.conf"));
        Assert.Equal("i", await File.ReadAllTextAsync(upper + "/etc/inside"));
        Assert.False(Path.Exists(upper + "/lib"));
        Assert.Equal((1_000_000u, 1_000_000u, 0b111_101_101u), Owner(Path.GetDirectoryName(upper)!, "upper"));
    }

    [Fact]
    public async Task AFileForImagesThatLackItIsLeftOutWhereAnythingIs()
    {
        var image = TarBuilder.Root().File("etc/hosts", "the image's\n").SymbolicLink("etc/resolv.conf", "../run/nowhere").Directory("usr/").Directory("usr/bin/")
            .File("usr/bin/cloud-init", "").SymbolicLink("sbin", "usr/bin");
        InjectedFile Unless(string path, params string[] others) => new(path, "ours"u8.ToArray()) { UnlessThere = others };
        var id = await MakeAsync(Size, image,
            Unless("/etc/hosts"), Unless("/etc/resolv.conf"), Unless("/etc/a", "/sbin/cloud-init"), Unless("/etc/hosts/below"), Unless("/etc/b", "/usr/bin/other", "/none/at/all"));
        var upper = (await Backend.MountAsync(id, None)).UpperDirectory;

        Assert.Equal(["b"], Directory.EnumerateFileSystemEntries(upper + "/etc").Select(Path.GetFileName));
        Assert.Equal("ours", await File.ReadAllTextAsync(upper + "/etc/b"));
    }

    [Theory]
    [InlineData("relative")]
    [InlineData("/etc")]
    [InlineData("/bin/sh/below")]
    [InlineData("/etc/..")]
    public async Task AFileThatCannotBeInjectedFailsTheCreationAndLeavesNothing(string path)
    {
        await Backend.ImportImageAsync(Import("image", TarBuilder.Root().Build()), None);
        var request = Request(Guid.NewGuid()) with { Files = [new InjectedFile(path, [])] };
        await Assert.ThrowsAsync<ArgumentException>(() => Backend.CreateRootfsAsync(request, None));
        await Assert.ThrowsAsync<ContainerNotFoundException>(() => Backend.MountAsync(request.Id, None));
        Assert.True(await Backend.DeleteImageAsync("image", None));
    }

    [Theory]
    [InlineData(Size)]
    [InlineData(null)]
    public async Task UsedBytesGrowWithWhatIsWritten(long? size)
    {
        var id = await MakeAsync(size);
        var mount = await Backend.MountAsync(id, None);
        var before = await Backend.GetUsedBytesAsync(id, None);
        await File.WriteAllBytesAsync(mount.UpperDirectory + "/data", RandomNumberGenerator.GetBytes(5 << 20));
        Native.Sync();
        var mounted = await Backend.GetUsedBytesAsync(id, None);
        await Backend.UnmountAsync(id, None);
        var unmounted = await Backend.GetUsedBytesAsync(id, None);

        Assert.InRange(mounted - before, 5L << 20, 6L << 20);
        Assert.InRange(unmounted - mounted, -(64L << 10), 64L << 10);
    }

    [Fact]
    public async Task EverythingIsFoundAgainByTheNextRun()
    {
        var id = await MakeAsync();
        var mount = await Backend.MountAsync(id, None);
        (Backend as IDisposable)?.Dispose();
        Backend = await StartAsync();

        Assert.Equal("image", Assert.Single(await Backend.ListImagesAsync(None)).Key);
        Assert.False(await Backend.DeleteImageAsync("image", None));
        Assert.Equivalent(mount, await Backend.MountAsync(id, None), strict: true);
        await Assert.ThrowsAsync<ContainerExistsException>(() => Backend.CreateRootfsAsync(Request(id), None));
    }

    [Fact]
    public async Task ManyAtOnce()
    {
        await Backend.ImportImageAsync(Import("image", TarBuilder.Root().Build()), None);
        var ids = Enumerable.Range(0, 20).Select(_ => Guid.NewGuid()).ToList();
        await Task.WhenAll(ids.Select(async id =>
        {
            await Backend.CreateRootfsAsync(Request(id), None);
            await Backend.MountAsync(id, None);
        }));
        await Task.WhenAll(ids.Select(id => Backend.DeleteRootfsAsync(id, None)));
        await Task.WhenAll(ids.Select(id => Assert.ThrowsAsync<ContainerNotFoundException>(() => Backend.MountAsync(id, None))));
    }
}
