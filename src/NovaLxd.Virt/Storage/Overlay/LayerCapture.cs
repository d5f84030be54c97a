using System.Text;
using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage.Archives;
using NovaLxd.Virt.Storage.Overlay.Layers;

namespace NovaLxd.Virt.Storage.Overlay;

/// <summary>
/// A root as it was at one instant, in a folder of its own. Where the host's file system shares blocks (btrfs, XFS), the instance's disk is cloned whole, in
/// milliseconds whatever its size. Elsewhere, and where there is no disk, its files are copied in rounds while the guest runs, so that it is held only for
/// what it changed in the last.
/// <para>
/// Neither needs the file system frozen (FIFREEZE), which a killed service could not thaw: a clone is made at one instant and has the journal, and what
/// is read while nobody writes does not change.
/// </para>
/// </summary>
/// <param name="folder">Does not exist yet.</param>
/// <param name="image">Root of the image, open.</param>
/// <param name="ids">Of the container.</param>
/// <param name="disks">Mounts the clone.</param>
/// <param name="work">Where packing runs.</param>
/// <param name="time">For the rounds.</param>
/// <param name="releaseImage">Nobody needs the image for this any more.</param>
internal sealed class LayerCapture(
    string folder, DirectoryHandle image, LayerIds ids, Ext4Disks disks, BlockingWork work, TimeProvider time, Action releaseImage) : IRootfsCapture
{
    public const string DiskName = "disk";

    /// <summary>When so little has changed in a round, another makes it no less.</summary>
    private const long FewBytes = 16 << 20;

    private const int MostRounds = 4;

    /// <summary>An image with more names cannot be imported.</summary>
    private static readonly UnpackLimits _limits = new(long.MaxValue);

    private readonly string _disk = Path.Combine(folder, DiskName);
    private readonly string _clone = Path.Combine(folder, "root.ext4");
    private SafeFileHandle? _cloneFile;
    private DirectoryHandle? _clonedUpper;
    private LayerData? _data;
    private RootArchive? _archive;
    private PackedStream? _packed;

    public long UnpackedBytes { get; private set; }

    /// <summary>Removes what a capture of a killed service has left.</summary>
    public static void Remove(string folder)
    {
        while (FileSystemMount.IsMountPoint(folder, DiskName) && FileSystemMount.Detach(Path.Combine(folder, DiskName)))
        {
            // More than one mount can only come from outside; all have to go.
        }

        DirectoryTree.Delete(folder);
    }

    public Stream Open() => _packed = new PackedStream(_archive!.Pack, work);

    /// <summary>Makes the folder, and sees whether a disk can be cloned into it.</summary>
    /// <param name="diskImage">The disk; null: there is none.</param>
    public bool Prepare(string? diskImage)
    {
        using (var parent = DirectoryHandle.Open(Path.GetDirectoryName(folder)!))
        {
            parent.MakeDirectory(Encoding.UTF8.GetBytes(Path.GetFileName(folder)), 0x1C0);
        }

        using var made = DirectoryHandle.Open(folder);
        made.MakeDirectory(Encoding.UTF8.GetBytes(DiskName), 0x1C0);
        return diskImage is not null && TryClone(made, diskImage);
    }

    /// <summary>(1) almost everything reaches the disk (2) the rest, and the clone, while the guest is held (3) read what it has.</summary>
    /// <param name="diskImage">What <see cref="Prepare"/> has seen.</param>
    /// <param name="mounted">Where it is mounted; null: it is not.</param>
    /// <param name="hold">Holds the guest.</param>
    public async Task CloneAsync(string diskImage, string? mounted, Func<CancellationToken, Task<IAsyncDisposable>> hold, CancellationToken cancellationToken)
    {
        // (1)
        await work.RunAsync(() => Sync(mounted), cancellationToken).ConfigureAwait(false);

        // (2)
        await using (await hold(cancellationToken).ConfigureAwait(false))
        {
            await BlockingWork.RunOnOwnThreadAsync(() =>
            {
                Sync(mounted);
                using var made = DirectoryHandle.Open(folder);
                return TryClone(made, diskImage) ? true : throw new KernelException(Errno.EOPNOTSUPP, "ioctl FICLONE", diskImage);
            }).ConfigureAwait(false);
        }

        // (3)
        _cloneFile!.Dispose();
        await disks.MountAsync(_clone, _disk, cancellationToken).ConfigureAwait(false);
        await work.RunAsync(
            () =>
            {
                _clonedUpper = DirectoryHandle.Open(Path.Combine(_disk, "upper"));
                Finish(LayerScan.Read(_clonedUpper, ids, _limits, null, changing: false, cancellationToken), OpenCloned, cancellationToken);
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>(1) copies in rounds (2) the last, and the names, while the guest is held.</summary>
    /// <param name="upperPath">The layer, reachable on the host.</param>
    /// <param name="hold">Holds the guest.</param>
    public async Task CopyAsync(string upperPath, Func<CancellationToken, Task<IAsyncDisposable>> hold, CancellationToken cancellationToken)
    {
        using var upper = DirectoryHandle.Open(upperPath);
        _data = new LayerData(folder, time, cancellationToken);

        // (1)
        await BlockingWork.RunOnOwnThreadAsync(() =>
        {
            for (var round = 1; round == 1 || (_data.CopiedBytes > FewBytes && round <= MostRounds); round++)
            {
                _data.BeginRound(upper);
                LayerScan.Read(upper, ids, _limits, _data, changing: true, cancellationToken);
            }

            return true;
        }).ConfigureAwait(false);

        // (2)
        LayerNode layer;
        await using (await hold(cancellationToken).ConfigureAwait(false))
        {
            layer = await BlockingWork.RunOnOwnThreadAsync(() =>
            {
                _data.BeginLastRound();
                return LayerScan.Read(upper, ids, _limits, _data, changing: false, cancellationToken);
            }).ConfigureAwait(false);
        }

        await work.RunAsync(() => Finish(layer, entry => _data.Open(entry.Status.Inode), cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        if (_packed is not null)
        {
            await _packed.DisposeAsync().ConfigureAwait(false);
        }

        _archive?.Dispose();
        _clonedUpper?.Dispose();
        _cloneFile?.Dispose();
        _data?.Dispose();
        image.Dispose();
        try
        {
            await BlockingWork.RunOnOwnThreadAsync(() =>
            {
                if (Directory.Exists(folder))
                {
                    Remove(folder);
                }

                return true;
            }).ConfigureAwait(false);
        }
        finally
        {
            releaseImage();
        }
    }

    private static void Sync(string? mounted)
    {
        if (mounted is not null)
        {
            using var top = DirectoryHandle.Open(mounted);
            top.SyncFileSystem();
        }
    }

    private bool TryClone(DirectoryHandle made, string diskImage)
    {
        var name = Encoding.UTF8.GetBytes(Path.GetFileName(_clone));
        if (_cloneFile is not null)
        {
            _cloneFile.Dispose();
            made.Unlink(name);
        }

        _cloneFile = made.CreateFile(name, 0x180);
        using var source = Ext4Disks.Open(diskImage, writable: false);
        return FileRange.TryClone(source, _cloneFile);
    }

    private SafeFileHandle OpenCloned(MergedEntry entry)
    {
        using var parent = entry.Parent.Length == 0 ? _clonedUpper!.OpenChild("."u8)
            : _clonedUpper!.OpenBeneath(entry.Parent) ?? throw new KernelException(Errno.ENOENT, "openat2", DirectoryHandle.Text(entry.Parent));
        return parent.OpenFile(entry.Name);
    }

    private void Finish(LayerNode layer, Func<MergedEntry, SafeFileHandle> open, CancellationToken cancellationToken)
    {
        _archive = new RootArchive(image, layer, ids, open);
        UnpackedBytes = _archive.Measure(_limits, cancellationToken);
    }
}
