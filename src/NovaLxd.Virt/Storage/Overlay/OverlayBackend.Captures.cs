using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage.Overlay.Layers;

namespace NovaLxd.Virt.Storage.Overlay;

/// <summary>Captures of roots: see <see cref="LayerCapture"/>.</summary>
internal sealed partial class OverlayBackend
{
    /// <summary>(1) hold the image (2) clone the disk, or else (3) copy the files.</summary>
    public async Task<IRootfsCapture> CaptureRootfsAsync(Guid id, Func<CancellationToken, Task<IAsyncDisposable>> hold, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var paths = PathsOf(id);
        var record = await _work.RunAsync(() => StorageJson.Read(paths.Record, StorageJson.Default.RootfsRecord), cancellationToken).ConfigureAwait(false)
            ?? throw new ContainerNotFoundException(id);
        await using var undo = new Undo(_logger);
        try
        {
            // (1)
            var captureId = Guid.NewGuid();
            undo.Add("the use of the image", _ =>
            {
                _use.Remove(captureId);
                return Task.CompletedTask;
            });
            var image = await UseImageAsync(new RootfsRequest(captureId, record.ImageKey, null, null, []), cancellationToken).ConfigureAwait(false);
            var capture = new LayerCapture(
                Path.Combine(_captures, captureId.ToString()), DirectoryHandle.Open(image), new LayerIds(record.IdMapBase ?? 0), _disks, _work, _time,
                () => _use.Remove(captureId));
            undo.Add("the copy of the root file system", async _ => await capture.DisposeAsync().ConfigureAwait(false));

            // (2)
            if (await _work.RunAsync(() => capture.Prepare(record.SizeBytes is null ? null : paths.Image), cancellationToken).ConfigureAwait(false))
            {
                await capture.CloneAsync(paths.Image, IsMounted(paths) ? paths.Disk : null, hold, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                // (3)
                await _work.RunAsync(() => CheckRoom(UsedBytes(id)), cancellationToken).ConfigureAwait(false);
                await CopyAsync(capture, record, paths, hold, cancellationToken).ConfigureAwait(false);
            }

            undo.Keep();
            return capture;
        }
        catch (Exception e) when (OutOfSpace.Is(e))
        {
            throw new OutOfSpaceException($"No space left in {_state} for a copy of the root file system of container {id}.", e);
        }
    }

    /// <summary>Mounts the disk for it where it is not: the guest is stopped, and who wants to start it waits for the lock.</summary>
    private async Task CopyAsync(
        LayerCapture capture, RootfsRecord record, RootfsPaths paths, Func<CancellationToken, Task<IAsyncDisposable>> hold, CancellationToken cancellationToken)
    {
        var mounts = record.SizeBytes is not null && !IsMounted(paths);
        await using var mount = new Undo(_logger);
        if (mounts)
        {
            mount.Add("the mount for a copy", _ => _work.RunAsync(() => Unmount(paths), CancellationToken.None));
            await _disks.MountAsync(paths.Image, paths.Disk, cancellationToken).ConfigureAwait(false);
        }

        await capture.CopyAsync(paths.Upper, hold, cancellationToken).ConfigureAwait(false);
    }
}
