using System.Runtime.CompilerServices;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Processes;
using NovaLxd.Virt.Storage;
using NovaLxd.Virt.Storage.Overlay;

namespace NovaLxd.Virt.Tests.Storage.Overlay;

/// <summary>Captures on a host whose file system shares blocks, and what a killed service leaves of one.</summary>
[Trait("Lane", "root")]
public sealed class OverlayCaptureTests : IAsyncLifetime
{
    private static readonly CancellationToken _none = CancellationToken.None;
    private static readonly IdMap _map = new(1_000_000, 65536);
    private readonly string _state = Path.Combine(Path.GetTempPath(), $"nls-{Guid.NewGuid():N}");
    private readonly Guid _id = Guid.NewGuid();
    private HostResources _before = null!;
    private OverlayBackend _backend = null!;

    /// <summary>XFS, on a loop device of its own.</summary>
    public async Task InitializeAsync()
    {
        RootLane.Require();
        _before = HostResources.Take(_state);
        Directory.CreateDirectory(_state);
        await CommandRunner.RunAsync(["truncate", "-s", "400M", _state + ".xfs"], _none);
        await CommandRunner.RunAsync(["mkfs.xfs", "-q", "-m", "reflink=1", _state + ".xfs"], _none);
        await CommandRunner.RunAsync(["mount", "-o", "loop", _state + ".xfs", _state], _none);
        await StartAsync();
        await _backend.ImportImageAsync(
            new ImageImport { Key = "image", OpenAsync = _ => Task.FromResult<Stream>(new MemoryStream(CapturedRoot.Image().Build())) }, _none);
        await _backend.CreateRootfsAsync(new RootfsRequest(_id, "image", 128 << 20, _map, []), _none);
    }

    public async Task DisposeAsync()
    {
        await _backend.DeleteRootfsAsync(_id, _none);
        _backend.Dispose();
        await CommandRunner.RunAsync(["umount", _state], _none);
        Directory.Delete(_state);
        File.Delete(_state + ".xfs");
        await _before.AssertUnchangedAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task TheDiskIsClonedAndNotCopied(bool running)
    {
        var mount = await _backend.MountAsync(_id, _none);
        var seen = await CapturedRoot.ChangeAsync(mount, Path.Combine(_state, "merged"), _map);
        await File.WriteAllBytesAsync(mount.UpperDirectory + "/../ballast", new byte[40 << 20]);
        if (!running)
        {
            await _backend.UnmountAsync(_id, _none);
        }

        await using (var capture = await _backend.CaptureRootfsAsync(_id, _ => Task.FromResult<IAsyncDisposable>(new MemoryStream()), _none))
        {
            var folder = Assert.Single(Directory.EnumerateDirectories(Path.Combine(_state, "captures")));
            Assert.Equal(["disk", "root.ext4"], Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
            await CommandRunner.RunAsync(["sync", "-f", _state], _none);
            Assert.Contains("shared", await CommandRunner.RunAsync(["filefrag", "-v", folder + "/root.ext4"], _none), StringComparison.Ordinal);
            await _backend.ImportImageAsync(new ImageImport { Key = "copy", OpenAsync = _ => Task.FromResult(capture.Open()) }, _none);
        }

        Assert.Empty(Directory.EnumerateDirectories(Path.Combine(_state, "captures")));
        var second = Guid.NewGuid();
        await _backend.CreateRootfsAsync(new RootfsRequest(second, "copy", null, _map, []), _none);
        var lower = Assert.Single((await _backend.MountAsync(second, _none)).LowerDirectories);
        Assert.Equal(seen, CapturedRoot.Describe(lower));
        CapturedRoot.AssertAttributes(lower);
        await _backend.DeleteRootfsAsync(second, _none);
    }

    [Fact]
    public async Task WhatAKilledServiceLeftIsRemoved()
    {
        await CaptureAndForgetAsync();
        var folder = Assert.Single(Directory.EnumerateDirectories(Path.Combine(_state, "captures")));
        Assert.True(FileSystemMount.IsMountPoint(folder, "disk"));

        // A process that dies closes its files; here that is left to the collector. What is in use is not removed, and keeps nobody from starting.
        for (var attempts = 0; attempts < 100 && Directory.Exists(folder); attempts++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            _backend.Dispose();
            await StartAsync();
        }

        Assert.Empty(Directory.EnumerateDirectories(Path.Combine(_state, "captures")));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private async Task CaptureAndForgetAsync() =>
        await _backend.CaptureRootfsAsync(_id, _ => Task.FromResult<IAsyncDisposable>(new MemoryStream()), _none);

    private async Task StartAsync()
    {
        _backend = new OverlayBackend(_state, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger<OverlayBackend>.Instance);
        await _backend.InitializeAsync(_none);
    }
}
