using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Storage.Overlay;

/// <summary>The blocking half: everything here runs on a thread of <see cref="BlockingWork"/>, with the container's lock held.</summary>
internal sealed partial class OverlayBackend
{
    private static readonly string[] _programs = ["mkfs.ext4", "e2fsck", "resize2fs", "e2undo", "dumpe2fs"];

    private void Initialize()
    {
        CheckHost();
        Directory.CreateDirectory(_state);
        using (var state = DirectoryHandle.Open(_state))
        {
            foreach (var folder in (string[])[_images, _containers, _captures, Path.Combine(_state, "templates")])
            {
                var name = Encoding.UTF8.GetBytes(Path.GetFileName(folder));
                if (state.Stat(name) is null)
                {
                    state.MakeDirectory(name, 0x1C0);
                }

                state.ChangeMode(name, 0x1C0);
            }
        }

        _store.Initialize();
        _templates.Initialize();
        foreach (var left in Directory.EnumerateDirectories(_captures))
        {
            RemoveCapture(left);
        }

        foreach (var folder in Directory.EnumerateDirectories(_containers))
        {
            if (Guid.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id))
            {
                Find(id);
            }
        }
    }

    /// <summary>What somebody looks at (a shell with its working directory there) stays until the next start.</summary>
    private void RemoveCapture(string folder)
    {
        try
        {
            LayerCapture.Remove(folder);
        }
        catch (KernelException e) when (e.Errno == Errno.EBUSY)
        {
            LogCaptureStays(_logger, folder, e.Message);
        }
    }

    /// <summary>Takes a root of an earlier run into account, or removes what it left half made or half deleted.</summary>
    private void Find(Guid id)
    {
        if (StorageJson.Read(PathsOf(id).Record, StorageJson.Default.RootfsRecord) is { } record)
        {
            _use.Add(id, record.ImageKey);
            DeleteArchives(PathsOf(id));
        }
        else
        {
            LogHalfMade(_logger, id);
            Remove(id);
        }
    }

    private static void CheckHost()
    {
        var missing = new List<string>();
        if (!Loop.IsAvailable)
        {
            missing.Add("loop devices (modprobe loop)");
        }

        string[] folders = [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'), "/usr/sbin", "/sbin"];
        missing.AddRange(_programs.Where(program => !folders.Any(folder => File.Exists(Path.Combine(folder, program))))
            .Select(program => $"{program} (Debian package e2fsprogs)"));
        if (missing.Count > 0)
        {
            throw new HostUnsuitableException($"The overlay storage needs {string.Join(" and ", missing)}.");
        }
    }

    private async Task<string> UseImageAsync(RootfsRequest request, CancellationToken cancellationToken)
    {
        using var image = await _store.LockAsync(request.ImageKey, cancellationToken).ConfigureAwait(false);
        return await _work.RunAsync(
            () =>
            {
                var root = _store.RootOf(request.ImageKey);
                _use.Add(request.Id, request.ImageKey);
                _store.MarkUsed(request.ImageKey);
                return root;
            },
            cancellationToken).ConfigureAwait(false);
    }

    private void Create(RootfsRequest request, RootfsPaths paths, string imageRoot, string? template, IReadOnlyList<string> diskTemplates)
    {
        Remove(request.Id, keepUse: true); // What a failed deletion left.
        Directory.CreateDirectory(paths.Container);
        using (var container = DirectoryHandle.Open(paths.Container))
        {
            container.MakeDirectory(Encoding.UTF8.GetBytes(RootfsPaths.DiskName), 0x1C0);
        }

        if (template is not null)
        {
            CheckRoom(request.Files.Sum(file => file.Content.LongLength));
            using var disk = Ext4Templates.Clone(template, paths.Image);
            var error = Ext4Disks.TryMount(disk, paths.Image, paths.Disk);
            if (error != 0)
            {
                throw new KernelException(error, "mount", $"{paths.Image} on {paths.Disk}");
            }
        }

        var firstId = request.IdMap?.HostBase ?? 0;
        using (var image = DirectoryHandle.Open(imageRoot))
        {
            MakeLayers(paths, image, request.Files, firstId);
        }

        if (template is not null)
        {
            // A record must not outlive what it speaks of: layers that a power failure or a host filled meanwhile takes away cannot be mounted ever again.
            using var disk = DirectoryHandle.Open(paths.Disk);
            disk.SyncFileSystem();
        }

        foreach (var (number, diskTemplate) in diskTemplates.Index())
        {
            MakeDisk(paths.FurtherDisk(number), diskTemplate);
        }

        var record = new RootfsRecord(request.Id, request.ImageKey, request.SizeBytes, request.IdMap?.HostBase, _time.GetUtcNow(), diskTemplates.Count);
        StorageJson.Write(paths.Container, RootfsPaths.RecordName, record, StorageJson.Default.RootfsRecord);
    }

    /// <summary>
    /// The disk is sparse, and what is written to it reaches the host later, when nobody can be told any more that there is no room. So a
    /// host that is as good as full makes no more of them.
    /// </summary>
    private void CheckRoom(long files)
    {
        const long reserve = 64 << 20;
        var usage = FileSystemUsage.Of(_state);
        if (usage.TotalBytes - usage.UsedBytes < files + reserve)
        {
            throw new KernelException(Errno.ENOSPC, "create", _state);
        }
    }

    private static void MakeLayers(RootfsPaths paths, DirectoryHandle image, IReadOnlyList<InjectedFile> files, uint firstId)
    {
        using var disk = DirectoryHandle.Open(paths.Disk);
        disk.MakeDirectory("upper"u8, 0x1C0);
        disk.MakeDirectory("work"u8, 0x1C0);
        disk.ChangeOwner("work"u8, firstId, firstId);
        using var upper = disk.OpenChild("upper"u8);
        InjectedFiles.Write(image, upper, files, firstId);

        // The root of the merged file system is the upper layer's.
        InjectedFiles.CopyOwnerAndMode(image, upper, firstId);
    }

    /// <summary>What a root is, if it may have this size.</summary>
    private RootfsRecord CheckResize(Guid id, RootfsPaths paths, long? size, IReadOnlyList<long> diskBytes)
    {
        var record = StorageJson.Read(paths.Record, StorageJson.Default.RootfsRecord) ?? throw new ContainerNotFoundException(id);
        if (record.SizeBytes is null != size is null)
        {
            throw new ContainerStateException($"The root of container {id} was made {(size is null ? "with" : "without")} a limit, and keeps that as long as it lives.");
        }

        if (diskBytes.Append(size ?? Ext4Templates.MinSize).Any(bytes => bytes < Ext4Templates.MinSize))
        {
            throw new ContainerStateException($"A disk of container {id} cannot be smaller than {Ext4Templates.MinSize >> 20} MiB.");
        }

        if (size > record.SizeBytes)
        {
            CheckRoom(0);
        }

        return (size is not null && IsMounted(paths)) || paths.FurtherDisks().Any(number => FileSystemMount.IsMountPoint(paths.Container, paths.FurtherDisk(number).Name))
            ? throw new ContainerStateException($"The root of container {id} is mounted and cannot be resized.")
            : record;
    }

    private static bool IsMounted(RootfsPaths paths) =>
        Directory.Exists(paths.Container) && FileSystemMount.IsMountPoint(paths.Container, RootfsPaths.DiskName);

    private static void Unmount(RootfsPaths paths)
    {
        if (Directory.Exists(paths.Container))
        {
            Unmount(paths.Container, RootfsPaths.DiskName);
            foreach (var number in paths.FurtherDisks())
            {
                Unmount(paths.Container, paths.FurtherDisk(number).Name);
            }
        }
    }

    private static void Unmount(string container, string name)
    {
        // More than one mount on top of another can only come from outside; all of them have to go.
        while (FileSystemMount.IsMountPoint(container, name))
        {
            if (!FileSystemMount.Detach(Path.Combine(container, name)))
            {
                return;
            }
        }
    }

    /// <summary>Removes what there is, the record before the data: what a crash leaves is then half made, and removed at the next start.</summary>
    private void Remove(Guid id, bool keepUse = false)
    {
        var paths = PathsOf(id);
        if (Directory.Exists(paths.Container))
        {
            Unmount(paths);
            File.Delete(paths.Record);
            File.Delete(paths.Record + ".new");
            File.Delete(paths.Image);
            File.Delete(paths.ResizeJournal);
            DeleteArchives(paths);
            DirectoryTree.Delete(paths.Disk);
            RemoveDisks(paths, kept: 0);
            RemoveIfEmpty(paths.Container);
        }

        if (!keepUse)
        {
            _use.Remove(id);
        }
    }

    /// <summary>The folder is shared: whoever is last takes it away.</summary>
    private static void RemoveIfEmpty(string folder)
    {
        using var parent = DirectoryHandle.Open(Path.GetDirectoryName(folder)!);
        try
        {
            parent.RemoveDirectory(Encoding.UTF8.GetBytes(Path.GetFileName(folder)));
        }
        catch (KernelException e) when (e.Errno is Errno.ENOTEMPTY or Errno.EEXIST or Errno.ENOENT)
        {
            // Something else of the container is still there.
        }
    }

    private long UsedBytes(Guid id)
    {
        var paths = PathsOf(id);
        var record = StorageJson.Read(paths.Record, StorageJson.Default.RootfsRecord) ?? throw new ContainerNotFoundException(id);
        if (record.SizeBytes is null)
        {
            using var upper = DirectoryHandle.Open(paths.Upper);
            return DirectoryTree.AllocatedBytes(upper);
        }

        if (IsMounted(paths))
        {
            return FileSystemUsage.Of(paths.Disk).UsedBytes;
        }

        using var disk = Ext4Disks.Open(paths.Image, writable: false);
        return Ext4Disks.ReadSuperblock(disk)?.UsedBytes ?? 0;
    }

    private RootfsPaths PathsOf(Guid id) => new(Path.Combine(_containers, id.ToString()));

    [LoggerMessage(Level = LogLevel.Warning, Message = "The copy {Folder} of a root file system, left by an earlier run, cannot be removed: {Reason}")]
    private static partial void LogCaptureStays(ILogger logger, string folder, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Removing a half made root file system of container {Container}")]
    private static partial void LogHalfMade(ILogger logger, Guid container);
}
