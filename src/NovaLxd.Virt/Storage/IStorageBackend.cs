using System.Text.Json.Serialization;
using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Engine;

namespace NovaLxd.Virt.Storage;

/// <summary>
/// Keeps images and root file systems.
/// <para>
/// An image is unpacked once, owned by host root, and never written again. A root file system is a writable layer above one image for the
/// ids of one container; no file of the image is ever copied or chowned for it. Creating what exists fails with
/// <see cref="ContainerExistsException"/>; Mount of what is mounted returns the same answer; Unmount and Delete of what is not there do
/// nothing. A failed call leaves nothing behind. All paths returned are absolute and belong to the backend.
/// </para>
/// </summary>
internal interface IStorageBackend
{
    /// <summary>Facts a caller may ask about instead of trying.</summary>
    StorageCapabilities Capabilities { get; }

    /// <summary>Makes its folders, removes what a killed run left half made, and checks the file system. Safe to repeat.</summary>
    Task InitializeAsync(CancellationToken cancellationToken);

    Task<ImageInfo> ImportImageAsync(ImageImport import, CancellationToken cancellationToken);

    Task<ImageInfo?> FindImageAsync(string key, CancellationToken cancellationToken);

    Task<IReadOnlyList<ImageInfo>> ListImagesAsync(CancellationToken cancellationToken);

    /// <summary>False when a root file system still uses the image.</summary>
    Task<bool> DeleteImageAsync(string key, CancellationToken cancellationToken);

    /// <summary>A writable root above the image, with the injected files in it.</summary>
    Task CreateRootfsAsync(RootfsRequest request, CancellationToken cancellationToken);

    /// <summary>Makes the layers reachable on the host and says where; the merged mount itself is the engine's, inside the container.</summary>
    Task<RootfsMount> MountAsync(Guid id, CancellationToken cancellationToken);

    Task UnmountAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>
    /// Changes the size of a root that is not mounted, and keeps what is on it. Nothing is done to one that has the size. A root without a size keeps none, and
    /// one with a size keeps one. Of its further disks those that it has get their size too, and those that it lacks are made; one that is no longer named keeps
    /// its files until the next Mount, so that who took it away can bring it back.
    /// </summary>
    /// <exception cref="ContainerStateException">It cannot have this size; the message says why, and the root is as it was.</exception>
    Task ResizeRootfsAsync(Guid id, long? sizeBytes, IReadOnlyList<long> diskBytes, CancellationToken cancellationToken);

    Task DeleteRootfsAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>
    /// Takes the whole root as it is at one instant, for as long as the result is kept; the root may be written, or deleted, meanwhile. It may be mounted or not,
    /// and is afterwards as it was.
    /// </summary>
    /// <param name="id">Whose root.</param>
    /// <param name="hold">Called once everything is ready: nobody writes to the root until what it returned is disposed, which comes soon.</param>
    /// <param name="cancellationToken">Ends it; nothing is left.</param>
    /// <exception cref="OutOfSpaceException">There is no room for what has to be copied.</exception>
    /// <exception cref="ContainerStateException">No image can be made of it.</exception>
    Task<IRootfsCapture> CaptureRootfsAsync(Guid id, Func<CancellationToken, Task<IAsyncDisposable>> hold, CancellationToken cancellationToken);

    /// <summary>Bytes the container's own layer takes, without further disks.</summary>
    Task<long> GetUsedBytesAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>Size and use in bytes of the file system everything lives on.</summary>
    Task<(long Total, long Used)> GetCapacityAsync(CancellationToken cancellationToken);

    /// <summary>The root file system, which is unmounted for it, as one file to be read; it cannot be mounted before that file's disposal.</summary>
    /// <exception cref="ContainerStateException">Somebody else uses it.</exception>
    Task<(RootForm Form, PackedFile File)> PackRootfsAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>Its further disks, in their order, likewise.</summary>
    Task<IReadOnlyList<PackedFile>> PackDisksAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>An image as a tar archive to be read, kept beside the root file system of a container until the file's disposal.</summary>
    Task<PackedFile> PackImageAsync(Guid id, string key, CancellationToken cancellationToken);

    /// <summary>An empty file for what comes from another host. Until <see cref="CompleteArrivalAsync"/> it is no root file system, and Delete removes it.</summary>
    Task<SafeFileHandle> StartArrivalAsync(Guid id, ArrivingKind kind, long size, CancellationToken cancellationToken);

    /// <summary>The same for a further disk.</summary>
    Task<SafeFileHandle> StartDiskArrivalAsync(Guid id, int number, long size, CancellationToken cancellationToken);

    /// <summary>The archive of the image that came.</summary>
    Task<Stream> OpenArrivedImageAsync(Guid id);

    /// <summary>Makes a root file system of what came: its files get the ids that the container has here. It is not mounted afterwards.</summary>
    Task CompleteArrivalAsync(RootfsArrival arrival, CancellationToken cancellationToken);
}

internal sealed record RootfsRequest(Guid Id, string ImageKey, long? SizeBytes, IdMap? IdMap, IReadOnlyList<InjectedFile> Files)
{
    /// <summary>Sizes of further disks: file systems that hold nothing, made, mounted and deleted with the root, and in no capture of it.</summary>
    public IReadOnlyList<long> DiskBytes { get; init; } = [];
}

internal enum ArrivingKind
{
    Disk,
    Layer,
    Image,
}

/// <param name="Id">Of the container.</param>
/// <param name="ImageKey">The image below it, which is here.</param>
/// <param name="SizeBytes">Null: no limit; then it came as an archive.</param>
/// <param name="DiskCount">How many further disks came.</param>
/// <param name="IdMap">The ids the container has here.</param>
/// <param name="SourceIdBase">The first id of its files where it comes from.</param>
internal sealed record RootfsArrival(Guid Id, string ImageKey, long? SizeBytes, int DiskCount, IdMap? IdMap, uint? SourceIdBase);

/// <summary>A file that is held as it is until disposal.</summary>
/// <param name="handle">Open for reading; taken over.</param>
/// <param name="temporary">Path of a file that goes with it; null: it stays.</param>
internal sealed class PackedFile(SafeFileHandle handle, string? temporary) : IDisposable
{
    public SafeFileHandle Handle => handle;

    public long Size { get; } = RandomAccess.GetLength(handle);

    public long DataBytes { get; } = Kernel.FileStatus.Of(handle).Blocks * 512;

    public void Dispose()
    {
        handle.Dispose();
        if (temporary is not null)
        {
            File.Delete(temporary);
        }
    }
}

/// <summary>
/// The layers of a root file system on the host. Lower layers are owned by host root and are to be mounted idmapped; upper and work
/// already belong to the container's ids (overlayfs cannot make its work directory in an idmapped mount).
/// </summary>
internal sealed record RootfsMount(IReadOnlyList<string> LowerDirectories, string UpperDirectory, string WorkDirectory)
{
    /// <summary>Where the further disks are mounted, in their order; owned by host root, to be mounted idmapped.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> Disks { get; init; } = [];
}

/// <summary>A root as it was at one instant. Disposing it removes what was kept for it.</summary>
internal interface IRootfsCapture : IAsyncDisposable
{
    /// <summary>Bytes it takes as an image, unpacked.</summary>
    long UnpackedBytes { get; }

    /// <summary>The root as a compressed tar archive that an import takes, made while it is read. Called once; the stream ends with the capture.</summary>
    Stream Open();
}

internal sealed record StorageCapabilities
{
    /// <summary>Whether a size limit is enforced and seen by <c>df</c> inside.</summary>
    public required bool EnforcesSize { get; init; }
}
