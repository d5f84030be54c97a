using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Drives;

/// <summary>
/// The drives, in <c>drive/</c> in the folder of each container: the files as such, and beside them the image. Made with the container and gone with it; the
/// guest sees both as one folder of an overlay that has no writable layer, so that nobody inside can write to the host's disk through it.
/// </summary>
internal sealed class ContainerDrives(DriveImage image)
{
    private const string Top = "drive";
    private const string FilesFolder = "files";
    private const string ImageFolder = "image";

    /// <summary>The drive as it leaves for another host or arrives from one.</summary>
    private const string Archive = "drive.tar";

    /// <summary>Name of the image in the drive's folder: Nova's.</summary>
    private const string ImageFile = "disk.config";

    private const UnixFileMode OnlyRoot = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>What the engine is to mount; null for a container without a drive. Pure.</summary>
    public static DriveMount? MountOf(DriveSpec? drive, string containerFolder) => drive is null ? null : new DriveMount(
        [Path.Combine(containerFolder, Top, FilesFolder), Path.Combine(containerFolder, Top, ImageFolder)], drive.Folder, drive.Label, ImageFile);

    /// <summary>Removes it from a container's folder; nothing when there is none.</summary>
    public static void Remove(string containerFolder)
    {
        DirectoryTree.Delete(Path.Combine(containerFolder, Top));
        RemoveArchive(containerFolder);
    }

    /// <summary>Removes what a move has left that was interrupted.</summary>
    public static void RemoveArchive(string containerFolder)
    {
        if (Directory.Exists(containerFolder))
        {
            File.Delete(Path.Combine(containerFolder, Archive));
        }
    }

    /// <summary>The drive of a container as one file to be read.</summary>
    /// <exception cref="OutOfSpaceException"/>
    public static Task<PackedFile> PackAsync(string containerFolder, CancellationToken cancellationToken) =>
        TreeArchive.PackAsync(Path.Combine(containerFolder, Top), ".", Path.Combine(containerFolder, Archive), cancellationToken);

    /// <summary>An empty file for the drive that comes from another host.</summary>
    public static SafeFileHandle StartArrival(string containerFolder, long size)
    {
        RemoveArchive(containerFolder);
        var file = TreeArchive.Create(Path.Combine(containerFolder, Archive));
        RandomAccess.SetLength(file, size);
        return file;
    }

    /// <summary>Makes the drive of what came.</summary>
    /// <exception cref="TransferRefusedException">It is no drive.</exception>
    public static async Task CompleteArrivalAsync(string containerFolder, CancellationToken cancellationToken)
    {
        var top = Path.Combine(containerFolder, Top);
        DirectoryTree.Delete(top);
        MakeFolder(top);
        await TreeArchive.UnpackAsync(Path.Combine(containerFolder, Archive), top, cancellationToken).ConfigureAwait(false);
        if (!Directory.Exists(Path.Combine(top, FilesFolder)) || !File.Exists(Path.Combine(top, ImageFolder, ImageFile)))
        {
            throw new TransferRefusedException("What arrived as the drive of the container is none.");
        }

        RemoveArchive(containerFolder);
    }

    /// <summary>After a failure, and when the service was killed meanwhile, the container is removed and its drive with it.</summary>
    /// <exception cref="DriveException"/>
    /// <exception cref="OutOfSpaceException">The file system is full.</exception>
    public async Task CreateAsync(DriveSpec drive, string containerFolder, CancellationToken cancellationToken)
    {
        Remove(containerFolder);
        var top = Path.Combine(containerFolder, Top);
        var (files, images) = (Path.Combine(top, FilesFolder), Path.Combine(top, ImageFolder));
        try
        {
            MakeFolder(top);
            MakeFolder(files);
            MakeFolder(images);
            foreach (var file in drive.Files)
            {
                var path = Path.Combine(files, file.Path);
                MakeFolder(Path.GetDirectoryName(path)!);
                await using var stream = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OnlyRoot });
                await stream.WriteAsync(file.Content, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (IOException e) when (OutOfSpace.Is(e))
        {
            throw new OutOfSpaceException($"The drive cannot be written to {top}: the file system is full.", e);
        }

        await image.MakeAsync(files, Path.Combine(images, ImageFile), drive, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Parents first, each for root alone whatever the umask is.</summary>
    private static void MakeFolder(string path) => Directory.CreateDirectory(path, OnlyRoot | UnixFileMode.UserExecute);
}

/// <summary>How a drive gets into its container.</summary>
/// <param name="Layers">Folders of the host that make it up, owned by root.</param>
/// <param name="Folder">Where it is mounted inside.</param>
/// <param name="Label">Name of the link in /dev/disk/by-label.</param>
/// <param name="ImageFile">File in the folder to which that link leads.</param>
internal sealed record DriveMount(IReadOnlyList<string> Layers, string Folder, string Label, string ImageFile);
