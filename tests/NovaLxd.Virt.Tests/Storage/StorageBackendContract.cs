using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Tests.Storage;

/// <summary>What <see cref="IStorageBackend"/> promises, shown on a backend that a subclass makes. Every test leaves the host as it was.</summary>
public abstract partial class StorageBackendContract : IAsyncLifetime
{
    private protected const long Size = 64L << 20;
    private protected static readonly IdMap Map = new(1_000_000, 65536);

    /// <summary>For an import that may not end at all. One writes its file system through (syncfs(2)), and with it what others have written there.</summary>
    private protected static readonly TimeSpan ImportLimit = TimeSpan.FromMinutes(10);

    private HostResources _before = null!;

    private protected string State { get; } = Path.Combine(Path.GetTempPath(), $"nls-{Guid.NewGuid():N}");

    private protected IStorageBackend Backend { get; private set; } = null!;

    private protected static CancellationToken None => CancellationToken.None;

    public async Task InitializeAsync()
    {
        RootLane.Require();
        _before = HostResources.Take(State);
        Backend = await StartAsync();
    }

    public async Task DisposeAsync()
    {
        await DeleteAllAsync();
        (Backend as IDisposable)?.Dispose();
        Directory.Delete(State, recursive: true);
        await _before.AssertUnchangedAsync();
    }

    private protected abstract IStorageBackend Create(string stateDirectory);

    [Fact]
    public async Task AnImageIsUnpackedOnceAndFoundAgain()
    {
        var opened = 0;
        var import = Import("key", TarBuilder.Root().Build()) with { HashAlgorithm = null };
        import = import with
        {
            OpenAsync = _ =>
            {
                opened++;
                return Task.FromResult<Stream>(new MemoryStream(TarBuilder.Root().Build()));
            },
        };

        var first = await Backend.ImportImageAsync(import, None);
        var second = await Backend.ImportImageAsync(import, None);

        Assert.Equal(1, opened);
        Assert.Equal(first, second);
        Assert.Equal(("key", "tar"), (first.Key, first.Format));
        Assert.True(first.UnpackedBytes > 0);
        Assert.Equal(first, await Backend.FindImageAsync("key", None));
        Assert.Equal([first], await Backend.ListImagesAsync(None));
        Assert.Null(await Backend.FindImageAsync("other", None));
    }

    [Theory]
    [InlineData("tar")]
    [InlineData("tar.gz")]
    [InlineData("tar.xz")]
    [InlineData("tar.zst")]
    [InlineData("squashfs")]
    public async Task EveryFormatIsRecognisedByContent(string format)
    {
        var tar = TarBuilder.Root().File("etc/issue", "welcome").Build();
        var content = format switch
        {
            "tar.gz" => TarBuilder.Gzip(tar),
            "tar.xz" => await TarBuilder.XzAsync(tar),
            "tar.zst" => TarBuilder.Zstd(tar),
            "squashfs" => await TarBuilder.SquashfsAsync(tar),
            _ => tar,
        };

        var info = await Backend.ImportImageAsync(Import("any name at all", content), None);

        Assert.Equal(format, info.Format);
        Assert.Equal("welcome", await File.ReadAllTextAsync(Path.Combine(await LowerAsync(info.Key), "etc/issue")));
    }

    [Fact]
    public async Task ParallelImportsOfOneKeyShareOneDownload()
    {
        var (opened, gate) = (0, new TaskCompletionSource());
        var import = new ImageImport
        {
            Key = "shared",
            OpenAsync = async token =>
            {
                Interlocked.Increment(ref opened);
                await gate.Task.WaitAsync(token);
                return new MemoryStream(TarBuilder.Root().Build());
            },
        };

        var imports = Enumerable.Range(0, 8).Select(_ => Backend.ImportImageAsync(import, None)).ToList();
        gate.SetResult();
        var infos = await Task.WhenAll(imports);

        Assert.Equal(1, opened);
        Assert.Single(infos.Distinct());
    }

    [Fact]
    public async Task WhoWaitedForAFailedImportTriesItself()
    {
        var gate = new TaskCompletionSource();
        var failing = Backend.ImportImageAsync(
            new ImageImport
            {
                Key = "k",
                OpenAsync = async _ =>
                {
                    await gate.Task;
                    throw new HttpRequestException("503");
                },
            },
            None);
        var waiting = Backend.ImportImageAsync(Import("k", TarBuilder.Root().Build()), None);
        gate.SetResult();

        await Assert.ThrowsAsync<HttpRequestException>(() => failing);
        Assert.Equal("k", (await waiting).Key);
    }

    [Theory]
    [InlineData("sha512")]
    [InlineData("sha256")]
    [InlineData("md5")]
    public async Task TheHashOfWhatWasReceivedDecides(string algorithm)
    {
        var content = TarBuilder.Gzip(TarBuilder.Root().Build());
        var hash = Convert.ToHexStringLower(CryptographicOperations.HashData(new HashAlgorithmName(algorithm.ToUpperInvariant()), content));
        var right = Import("right", content) with { HashAlgorithm = algorithm, HashValue = hash };
        var wrong = Import("wrong", content) with { HashAlgorithm = algorithm, HashValue = string.Concat(hash.Reverse()) };

        await Backend.ImportImageAsync(right, None);
        await AssertRejectedAsync(wrong, "is not what was promised");
    }

    [Theory]
    [InlineData("", "an empty file")]
    [InlineData("514649fb", "a qcow2 disk image")]
    [InlineData("3c68746d6c3e", "an HTML page")]
    public async Task OtherContentIsRefusedByName(string hexadecimal, string name) =>
        await AssertRejectedAsync(Import("bad", Convert.FromHexString(hexadecimal)), name);

    [Fact]
    public async Task WhatACompressedStreamHoldsIsNamedToo() =>
        await AssertRejectedAsync(Import("bad", TarBuilder.Gzip([0x51, 0x46, 0x49, 0xFB, 1])), "what it holds is a qcow2 disk image");

    [Fact]
    public async Task AnArchiveWithoutARootIsRefused() =>
        await AssertRejectedAsync(Import("bad", new TarBuilder().File("readme", "x").Build()), "neither /bin nor /sbin nor /usr");

    [Fact]
    public async Task TruncatedAndPaddedImagesAreRefused()
    {
        var tar = TarBuilder.Root().File("etc/noise", Convert.ToBase64String(RandomNumberGenerator.GetBytes(300_000))).Build();
        byte[][] whole = [tar, TarBuilder.Gzip(tar), TarBuilder.Zstd(tar), await TarBuilder.XzAsync(tar), await TarBuilder.SquashfsAsync(tar)];
        foreach (var content in whole)
        {
            await AssertRejectedAsync(Import("cut", content[..(content.Length / 2)]));
            await AssertRejectedAsync(Import("longer", [.. content, .. "something else"u8]));
        }
    }

    [Fact]
    public async Task ABombEndsAtTheLimit()
    {
        var large = TarBuilder.Root().File("etc/zeros", new string('\0', 30 << 20)).Build();
        foreach (var content in (byte[][])[TarBuilder.Gzip(large), TarBuilder.Zstd(large), await TarBuilder.XzAsync(large), await TarBuilder.SquashfsAsync(large)])
        {
            await AssertRejectedAsync(Import("bomb", content) with { MaxUnpackedBytes = 1 << 20 }, "1048576");
        }
    }

    [Fact]
    public async Task AFailedDownloadIsTheCallersFailureAndLeavesNothing()
    {
        var content = TarBuilder.Root().File("etc/a", new string('a', 1 << 20)).Build();
        var import = new ImageImport { Key = "k", OpenAsync = _ => Task.FromResult<Stream>(new BrokenStream(content[..500_000])) };
        await Assert.ThrowsAsync<TimeoutException>(() => Backend.ImportImageAsync(import, None));
        await AssertNoImageAsync();
    }

    [Fact]
    public async Task ACancelledImportLeavesNothing()
    {
        using var cancel = new CancellationTokenSource();
        var import = new ImageImport { Key = "k", OpenAsync = _ => Task.FromResult<Stream>(new BrokenStream(TarBuilder.Root().BuildWithoutEnd(), cancel)) };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Backend.ImportImageAsync(import, cancel.Token));
        await AssertNoImageAsync();
    }

    [Fact]
    public async Task TheRootOfLxdsUnifiedImagesAndOfWrappedOnesIsFound()
    {
        var unified = new TarBuilder().File("metadata.yaml", "architecture: x86_64").Directory("templates/").Directory("rootfs/").Directory("rootfs/usr/").File("rootfs/usr/it", "1");
        var wrapped = new TarBuilder().Directory("debian/").Directory("debian/usr/").File("debian/usr/it", "2");
        await Backend.ImportImageAsync(Import("unified", unified.Build()), None);
        await Backend.ImportImageAsync(Import("wrapped", wrapped.Build()), None);
        Assert.Equal("1", await File.ReadAllTextAsync(Path.Combine(await LowerAsync("unified"), "usr/it")));
        Assert.Equal("2", await File.ReadAllTextAsync(Path.Combine(await LowerAsync("wrapped"), "usr/it")));
    }

    [Fact]
    public async Task AnImageInUseIsNotDeleted()
    {
        var id = await MakeAsync();
        Assert.False(await Backend.DeleteImageAsync("image", None));
        await Backend.DeleteRootfsAsync(id, None);
        Assert.True(await Backend.DeleteImageAsync("image", None));
        Assert.Null(await Backend.FindImageAsync("image", None));
        Assert.True(await Backend.DeleteImageAsync("image", None));
    }

    [Fact]
    public async Task CapacityIsThatOfTheFileSystem()
    {
        var (total, used) = await Backend.GetCapacityAsync(None);
        Assert.InRange(used, 1, total);
        Assert.Equal(new DriveInfo("/tmp").TotalSize, total);
    }

    private protected static ImageImport Import(string key, byte[] content) =>
        new() { Key = key, OpenAsync = _ => Task.FromResult<Stream>(new MemoryStream(content)) };

    private protected static RootfsRequest Request(Guid id, long? size = Size) => new(id, "image", size, Map, []);

    private protected async Task<Guid> MakeAsync(long? size = Size, TarBuilder? image = null, params InjectedFile[] files)
    {
        await Backend.ImportImageAsync(Import("image", (image ?? TarBuilder.Root()).Build()), None);
        var id = Guid.NewGuid();
        await Backend.CreateRootfsAsync(Request(id, size) with { Files = files }, None);
        return id;
    }

    private protected async Task<IStorageBackend> StartAsync()
    {
        var backend = Create(State);
        await backend.InitializeAsync(None);
        await backend.InitializeAsync(None);
        return backend;
    }

    private protected async Task AssertRejectedAsync(ImageImport import, string because = "")
    {
        var failure = await Assert.ThrowsAsync<ImageRejectedException>(() => Backend.ImportImageAsync(import, None).WaitAsync(ImportLimit));
        Assert.Contains(because, failure.Message, StringComparison.Ordinal);
        Assert.Null(await Backend.FindImageAsync(import.Key, None));
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(Path.Combine(State, "images")), path => Path.GetFileName(path).StartsWith('.'));
    }

    private protected static (uint UserId, uint GroupId, uint Mode) Owner(string folder, string path)
    {
        using var parent = NovaLxd.Virt.Kernel.DirectoryHandle.Open(Path.GetDirectoryName(Path.Combine(folder, path))!);
        var status = parent.Stat(Encoding.UTF8.GetBytes(Path.GetFileName(path)))!.Value;
        return (status.UserId, status.GroupId, status.Permissions);
    }

    private async Task AssertNoImageAsync()
    {
        Assert.Empty(await Backend.ListImagesAsync(None));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(State, "images")));
    }

    private protected async Task<string> LowerAsync(string key)
    {
        var id = Guid.NewGuid();
        await Backend.CreateRootfsAsync(new RootfsRequest(id, key, null, Map, []), None);
        var lower = Assert.Single((await Backend.MountAsync(id, None)).LowerDirectories);
        await Backend.DeleteRootfsAsync(id, None);
        return lower;
    }

    private async Task DeleteAllAsync()
    {
        foreach (var folder in Directory.EnumerateDirectories(Path.Combine(State, "containers")))
        {
            await Backend.DeleteRootfsAsync(Guid.Parse(Path.GetFileName(folder)), None);
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(State, "containers")));
        foreach (var image in await Backend.ListImagesAsync(None))
        {
            Assert.True(await Backend.DeleteImageAsync(image.Key, None));
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(State, "images")));
    }

    private protected static NullLogger<T> Log<T>() => NullLogger<T>.Instance;

    private static class Native
    {
        [System.Runtime.InteropServices.DllImport("libc", EntryPoint = "sync")]
        public static extern void Sync();
    }

    /// <summary>Gives its data and then fails, or cancels and waits.</summary>
    private sealed class BrokenStream(byte[] data, CancellationTokenSource? cancel = null) : MemoryStream(data)
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (await base.ReadAsync(buffer, cancellationToken) is var read and > 0)
            {
                return read;
            }

            if (cancel is null)
            {
                throw new TimeoutException("The image service went away.");
            }

            await cancel.CancelAsync();
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return 0;
        }
    }
}
