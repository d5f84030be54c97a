using System.Text;
using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage.Images;

namespace NovaLxd.Virt.Storage.Overlay;

/// <summary>Roots that leave for another host or arrive from one: a disk as it is, a plain layer as an archive. What arrives comes to where it is going to be.</summary>
internal sealed partial class OverlayBackend
{
    public async Task<(RootForm Form, PackedFile File)> PackRootfsAsync(Guid id, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var paths = PathsOf(id);
        var record = StorageJson.Read(paths.Record, StorageJson.Default.RootfsRecord) ?? throw new ContainerNotFoundException(id);
        await _work.RunAsync(() => Unmount(paths), cancellationToken).ConfigureAwait(false);
        if (record.SizeBytes is null)
        {
            return (RootForm.Layer, await TreeArchive.PackAsync(paths.Disk, "upper", paths.LayerArchive, cancellationToken).ConfigureAwait(false));
        }

        await Ext4Resize.TakeBackAsync(paths.Image, paths.ResizeJournal, cancellationToken).ConfigureAwait(false);
        return (RootForm.Disk, new PackedFile(await _disks.LockAsync(paths.Image, cancellationToken).ConfigureAwait(false), null));
    }

    public async Task<IReadOnlyList<PackedFile>> PackDisksAsync(Guid id, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var paths = PathsOf(id);
        var record = StorageJson.Read(paths.Record, StorageJson.Default.RootfsRecord) ?? throw new ContainerNotFoundException(id);
        var packed = new List<PackedFile>();
        try
        {
            for (var number = 0; number < record.DiskCount; number++)
            {
                var disk = paths.FurtherDisk(number);
                await Ext4Resize.TakeBackAsync(disk.Image, disk.ResizeJournal, cancellationToken).ConfigureAwait(false);
                packed.Add(new PackedFile(await _disks.LockAsync(disk.Image, cancellationToken).ConfigureAwait(false), null));
            }
        }
        catch
        {
            packed.ForEach(file => file.Dispose());
            throw;
        }

        return packed;
    }

    public async Task<PackedFile> PackImageAsync(Guid id, string key, CancellationToken cancellationToken)
    {
        var folder = Path.GetDirectoryName(await _work.RunAsync(() => _store.RootOf(key), cancellationToken).ConfigureAwait(false))!;
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        return await TreeArchive.PackAsync(Path.Combine(folder, ImageImporter.RootFolder), ".", PathsOf(id).ImageArchive, cancellationToken).ConfigureAwait(false);
    }

    public async Task<SafeFileHandle> StartArrivalAsync(Guid id, ArrivingKind kind, long size, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var paths = PathsOf(id);
        var path = kind switch
        {
            ArrivingKind.Disk => paths.Image,
            ArrivingKind.Layer => paths.LayerArchive,
            _ => paths.ImageArchive,
        };
        return await _work.RunAsync(() => StartArrival(paths, path, size), cancellationToken).ConfigureAwait(false);
    }

    public async Task<SafeFileHandle> StartDiskArrivalAsync(Guid id, int number, long size, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var paths = PathsOf(id);
        return await _work.RunAsync(() => StartArrival(paths, paths.FurtherDisk(number).Image, size), cancellationToken).ConfigureAwait(false);
    }

    public Task<Stream> OpenArrivedImageAsync(Guid id) => Task.FromResult<Stream>(File.OpenRead(PathsOf(id).ImageArchive));

    /// <summary>(1) hold the image (2) disk, mounted, or layer, unpacked (3) ids (4) the record, by which the root exists.</summary>
    public async Task CompleteArrivalAsync(RootfsArrival arrival, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(arrival.Id, cancellationToken).ConfigureAwait(false);
        var paths = PathsOf(arrival.Id);
        if (File.Exists(paths.Record))
        {
            throw new ContainerExistsException(arrival.Id);
        }

        await using var undo = new Undo(_logger);
        undo.Add("root file system", _ => _work.RunAsync(() => Remove(arrival.Id), CancellationToken.None));

        // (1)
        await UseImageAsync(new RootfsRequest(arrival.Id, arrival.ImageKey, arrival.SizeBytes, arrival.IdMap, []), cancellationToken).ConfigureAwait(false);

        // (2)
        await _work.RunAsync(() => MakeDisk(paths), cancellationToken).ConfigureAwait(false);
        if (arrival.SizeBytes is not null)
        {
            await _disks.MountAsync(paths.Image, paths.Disk, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await TreeArchive.UnpackAsync(paths.LayerArchive, paths.Disk, cancellationToken).ConfigureAwait(false);
        }

        // (3) and (4)
        await BlockingWork.RunOnOwnThreadAsync(() => Adopt(arrival, paths, cancellationToken)).ConfigureAwait(false);
        undo.Keep();
    }

    private static SafeFileHandle StartArrival(RootfsPaths paths, string path, long size)
    {
        Directory.CreateDirectory(paths.Container);
        File.Delete(path);
        var file = TreeArchive.Create(path);
        RandomAccess.SetLength(file, size);
        return file;
    }

    private static void MakeDisk(RootfsPaths paths)
    {
        using var container = DirectoryHandle.Open(paths.Container);
        container.MakeDirectory(Encoding.UTF8.GetBytes(RootfsPaths.DiskName), 0x1C0);
    }

    private bool Adopt(RootfsArrival arrival, RootfsPaths paths, CancellationToken cancellationToken)
    {
        var firstId = arrival.IdMap?.HostBase ?? 0;
        using (var disk = DirectoryHandle.Open(paths.Disk))
        {
            if (disk.Stat("upper"u8) is not { IsDirectory: true })
            {
                throw new TransferRefusedException("What arrived is not the root file system of a container: it has no upper layer.");
            }

            if (arrival.IdMap is not null && arrival.SourceIdBase is { } source && source != firstId)
            {
                new IdShift(source, firstId).Run(disk, "upper"u8, cancellationToken);
            }

            // What the kernel keeps there is of no use to another mount.
            DirectoryTree.Delete(paths.Work);
            disk.MakeDirectory("work"u8, 0x1C0);
            disk.ChangeOwner("work"u8, firstId, firstId);
            disk.SyncFileSystem();
        }

        if (arrival.SizeBytes is not null)
        {
            Unmount(paths);
        }

        var record = new RootfsRecord(arrival.Id, arrival.ImageKey, arrival.SizeBytes, arrival.IdMap?.HostBase, _time.GetUtcNow(), arrival.DiskCount);
        StorageJson.Write(paths.Container, RootfsPaths.RecordName, record, StorageJson.Default.RootfsRecord);
        DeleteArchives(paths);
        return true;
    }

    private static void DeleteArchives(RootfsPaths paths)
    {
        File.Delete(paths.LayerArchive);
        File.Delete(paths.ImageArchive);
    }
}
