using System.Security.Cryptography;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Tests.Storage;

/// <summary>Roots taken at one instant.</summary>
public abstract partial class StorageBackendContract
{
    private static readonly Func<CancellationToken, Task<IAsyncDisposable>> _nobodyWrites = _ => Task.FromResult<IAsyncDisposable>(new Hold(() => { }));

    [Theory]
    [InlineData(Size, true)]
    [InlineData(Size, false)]
    [InlineData(null, true)]
    public async Task ARootBecomesAnImageThatShowsTheSame(long? size, bool running)
    {
        var id = await MakeAsync(size, CapturedRoot.Image());
        var seen = await CapturedRoot.ChangeAsync(await Backend.MountAsync(id, None), Path.Combine(State, "merged"), Map);
        if (!running)
        {
            await Backend.UnmountAsync(id, None);
        }

        long unpacked;
        await using (var capture = await Backend.CaptureRootfsAsync(id, _nobodyWrites, None))
        {
            unpacked = capture.UnpackedBytes;
            await ImportAsync("copy", capture);
        }

        var lower = await LowerAsync("copy");
        Assert.Equal(seen, CapturedRoot.Describe(lower));
        CapturedRoot.AssertAttributes(lower);
        var info = (await Backend.FindImageAsync("copy", None))!;
        Assert.Equal("tar.zst", info.Format);
        Assert.InRange(unpacked, info.UnpackedBytes, info.UnpackedBytes + (64 << 10));
    }

    [Theory]
    [InlineData(Size)]
    [InlineData(null)]
    public async Task TheInstantIsThatOfTheHold(long? size)
    {
        var id = await MakeAsync(size);
        var upper = (await Backend.MountAsync(id, None)).UpperDirectory;
        var large = RandomNumberGenerator.GetBytes(3 << 20);
        await File.WriteAllBytesAsync(upper + "/large", large);
        await File.WriteAllTextAsync(upper + "/deleted", "x");
        var when = File.GetLastWriteTimeUtc(upper + "/large").AddHours(-1);
        File.SetLastWriteTimeUtc(upper + "/large", when);
        await Task.Delay(1500); // So that it counts as copied in the first round.

        // The last thing that the guest does before it stands still, hidden behind an old time, and the first that it does afterwards.
        var before = () =>
        {
            using (var file = File.OpenWrite(upper + "/large"))
            {
                file.Position = 1 << 20;
                file.Write("changed"u8);
            }

            File.SetLastWriteTimeUtc(upper + "/large", when);
            File.Delete(upper + "/deleted");
            File.WriteAllText(upper + "/before", "x");
        };
        var after = () =>
        {
            File.WriteAllText(upper + "/large", "");
            File.WriteAllText(upper + "/after", "x");
        };

        await using (var capture = await Backend.CaptureRootfsAsync(
            id,
            _ =>
            {
                before();
                return Task.FromResult<IAsyncDisposable>(new Hold(after));
            },
            None))
        {
            await ImportAsync("copy", capture);
        }

        var lower = await LowerAsync("copy");
        Assert.Equal(["before", "bin", "etc", "large"], Directory.EnumerateFileSystemEntries(lower).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Change(large);
        var taken = await File.ReadAllBytesAsync(lower + "/large");
        Assert.True(large.AsSpan().SequenceEqual(taken), "the image has another content");
        Assert.Equal("x", await File.ReadAllTextAsync(upper + "/after"));
    }

    [Fact]
    public async Task ACaptureOutlivesItsRootAndHoldsItsImage()
    {
        var id = await MakeAsync();
        var upper = (await Backend.MountAsync(id, None)).UpperDirectory;
        await File.WriteAllTextAsync(upper + "/own", "own");
        var capture = await Backend.CaptureRootfsAsync(id, _nobodyWrites, None);
        await Backend.DeleteRootfsAsync(id, None);

        Assert.False(await Backend.DeleteImageAsync("image", None));
        await ImportAsync("copy", capture);
        await capture.DisposeAsync();

        Assert.True(await Backend.DeleteImageAsync("image", None));
        Assert.Equal("own", await File.ReadAllTextAsync(await LowerAsync("copy") + "/own"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ACaptureThatFailsOrIsLeftBehindLeavesNothing(bool read)
    {
        var id = await MakeAsync();
        await Backend.MountAsync(id, None);

        await Assert.ThrowsAsync<TimeoutException>(() => Backend.CaptureRootfsAsync(id, _ => throw new TimeoutException(), None));
        var capture = await Backend.CaptureRootfsAsync(id, _nobodyWrites, None);
        if (read)
        {
            Assert.Equal(10, await capture.Open().ReadAtLeastAsync(new byte[10], 10));
        }

        await capture.DisposeAsync();

        await Backend.DeleteRootfsAsync(id, None);
        Assert.True(await Backend.DeleteImageAsync("image", None));
        await Assert.ThrowsAsync<ContainerNotFoundException>(() => Backend.CaptureRootfsAsync(id, _nobodyWrites, None));
    }

    [Fact]
    public async Task WhatNoImageCanHoldIsNamed()
    {
        var id = await MakeAsync();
        var upper = (await Backend.MountAsync(id, None)).UpperDirectory;
        await File.WriteAllTextAsync(upper + "/etc.d", "");
        await File.WriteAllTextAsync(upper + "/.wh.thing", "");

        var failure = await Assert.ThrowsAsync<ContainerStateException>(() => Backend.CaptureRootfsAsync(id, _nobodyWrites, None));

        Assert.Contains(".wh.thing", failure.Message, StringComparison.Ordinal);
    }

    /// <summary>A stopped root may be mounted for it, and only for it.</summary>
    [Fact]
    public async Task ARootThatWasNotMountedIsNotMountedAfterwards()
    {
        var id = await MakeAsync();
        var upper = (await Backend.MountAsync(id, None)).UpperDirectory;
        await Backend.UnmountAsync(id, None);

        await (await Backend.CaptureRootfsAsync(id, _nobodyWrites, None)).DisposeAsync();

        Assert.False(Directory.Exists(upper));
    }

    private static void Change(byte[] content) => "changed"u8.CopyTo(content.AsSpan(1 << 20));

    private async Task ImportAsync(string key, IRootfsCapture capture) =>
        await Backend.ImportImageAsync(new ImageImport { Key = key, OpenAsync = _ => Task.FromResult(capture.Open()) }, None);

    /// <summary>Holds nobody: says when it ends.</summary>
    private protected sealed class Hold(Action end) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            end();
            return ValueTask.CompletedTask;
        }
    }
}
