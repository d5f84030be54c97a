using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Storage.Overlay;

/// <summary>
/// Further disks of a container: each a sparse ext4 file with a limit as exact as the root's. Under the container's lock. How many it has its record says; what there
/// is beyond that is left from a change of its size, and goes when it is mounted.
/// </summary>
internal sealed partial class OverlayBackend
{
    private async Task<IReadOnlyList<string>> GetTemplatesAsync(IReadOnlyList<long> sizes, CancellationToken cancellationToken)
    {
        var templates = new List<string>();
        foreach (var size in sizes)
        {
            templates.Add(await _templates.GetAsync(size, cancellationToken).ConfigureAwait(false));
        }

        return templates;
    }

    private void MakeDisk(DiskPaths disk, string template)
    {
        CheckRoom(0);
        File.Delete(disk.Draft);
        using (var draft = Ext4Templates.Clone(template, disk.Draft))
        {
            RandomAccess.FlushToDisk(draft); // As with the root: what the record speaks of is there after a power failure.
        }

        File.Move(disk.Draft, disk.Image);
    }

    /// <summary>Gives a container that is not mounted exactly these.</summary>
    private async Task ResizeDisksAsync(RootfsPaths paths, int known, IReadOnlyList<long> sizes, CancellationToken cancellationToken)
    {
        for (var number = 0; number < sizes.Count; number++)
        {
            var (disk, size) = (paths.FurtherDisk(number), sizes[number]);
            if (File.Exists(disk.Image))
            {
                await Ext4Resize.TakeBackAsync(disk.Image, disk.ResizeJournal, cancellationToken).ConfigureAwait(false);
                if (await _work.RunAsync(() => Ext4Resize.SizeOf(disk.Image), cancellationToken).ConfigureAwait(false) == size)
                {
                    continue;
                }

                if (number < known)
                {
                    await Ext4Resize.ResizeAsync(disk.Image, disk.ResizeJournal, size, cancellationToken).ConfigureAwait(false);
                    continue;
                }

                await _work.RunAsync(() => RemoveDisk(disk), cancellationToken).ConfigureAwait(false);
            }

            var template = await _templates.GetAsync(size, cancellationToken).ConfigureAwait(false);
            await _work.RunAsync(() => MakeDisk(disk, template), cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<IReadOnlyList<string>> MountDisksAsync(RootfsPaths paths, int count, CancellationToken cancellationToken)
    {
        await _work.RunAsync(() => RemoveDisks(paths, count), cancellationToken).ConfigureAwait(false);
        var folders = new List<string>();
        for (var number = 0; number < count; number++)
        {
            var disk = paths.FurtherDisk(number);
            folders.Add(disk.Folder);
            if (await _work.RunAsync(() => FileSystemMount.IsMountPoint(paths.Container, disk.Name), cancellationToken).ConfigureAwait(false))
            {
                continue;
            }

            Directory.CreateDirectory(disk.Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            await Ext4Resize.TakeBackAsync(disk.Image, disk.ResizeJournal, cancellationToken).ConfigureAwait(false);
            await _disks.MountAsync(disk.Image, disk.Folder, cancellationToken).ConfigureAwait(false);
        }

        return folders;
    }

    /// <param name="paths">Whose.</param>
    /// <param name="kept">How many stay.</param>
    private static void RemoveDisks(RootfsPaths paths, int kept)
    {
        foreach (var number in paths.FurtherDisks().Where(number => number >= kept))
        {
            RemoveDisk(paths.FurtherDisk(number));
        }
    }

    private static void RemoveDisk(DiskPaths disk)
    {
        Unmount(disk.Container, disk.Name);
        File.Delete(disk.Image);
        File.Delete(disk.Draft);
        File.Delete(disk.ResizeJournal);
        DirectoryTree.Delete(disk.Folder);
    }
}
