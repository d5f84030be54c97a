using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage.Images;

namespace NovaLxd.Virt.Storage.Overlay;

/// <summary>
/// Unpacked images as lower layers, and for each root file system an upper layer: in a sparse ext4 file of its own when it has a size (the limit is
/// exact and <c>df</c> shows it, whatever file system the host has), in a folder of the host's file system when not.
/// <para>
/// A root made here stays mounted until Unmount or Delete: it is going to be started. Project quotas would do the same without a loop device, but only
/// on a kernel and a file system made ready for them by the operator; they are not used.
/// </para>
/// </summary>
internal sealed partial class OverlayBackend : IStorageBackend, IDisposable
{
    private readonly string _state;
    private readonly string _images;
    private readonly string _containers;
    private readonly string _captures;
    private readonly TimeProvider _time;
    private readonly ILogger<OverlayBackend> _logger;
    private readonly ImageStore _store;
    private readonly Ext4Templates _templates;
    private readonly Ext4Disks _disks;
    private readonly RootfsUse _use = new();
    private readonly KeyedLock<Guid> _locks = new();
    private readonly BlockingWork _work = new(Math.Max(4, Environment.ProcessorCount * 2));

    public OverlayBackend(string stateDirectory, TimeProvider time, ILogger<OverlayBackend> logger)
    {
        _state = Path.GetFullPath(stateDirectory);
        _images = Path.Combine(_state, "images");
        _containers = Path.Combine(_state, "containers");
        _captures = Path.Combine(_state, "captures");
        _time = time;
        _logger = logger;
        _store = new ImageStore(_images, time);
        _templates = new Ext4Templates(Path.Combine(_state, "templates"));
        _disks = new Ext4Disks(_work);
    }

    public StorageCapabilities Capabilities { get; } = new() { EnforcesSize = true };

    public Task InitializeAsync(CancellationToken cancellationToken) => _work.RunAsync(Initialize, cancellationToken);

    public Task<ImageInfo> ImportImageAsync(ImageImport import, CancellationToken cancellationToken) => _store.ImportAsync(import, cancellationToken);

    public Task<ImageInfo?> FindImageAsync(string key, CancellationToken cancellationToken) => _work.RunAsync(() => _store.Find(key), cancellationToken);

    public Task<IReadOnlyList<ImageInfo>> ListImagesAsync(CancellationToken cancellationToken) => _work.RunAsync(_store.List, cancellationToken);

    public async Task<bool> DeleteImageAsync(string key, CancellationToken cancellationToken)
    {
        using var held = await _store.LockAsync(key, cancellationToken).ConfigureAwait(false);
        if (_use.Contains(key))
        {
            return false;
        }

        await _work.RunAsync(() => _store.Delete(key), cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>(1) hold the image (2) templates (3) disk, mounted (4) layers and files, further disks (5) the record, by which the root exists.</summary>
    public async Task CreateRootfsAsync(RootfsRequest request, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(request.Id, cancellationToken).ConfigureAwait(false);
        var paths = PathsOf(request.Id);
        if (File.Exists(paths.Record))
        {
            throw new ContainerExistsException(request.Id);
        }

        await using var undo = new Undo(_logger);
        undo.Add("root file system", _ => _work.RunAsync(() => Remove(request.Id), CancellationToken.None));

        // (1)
        var imageRoot = await UseImageAsync(request, cancellationToken).ConfigureAwait(false);
        try
        {
            // (2)
            var template = request.SizeBytes is { } size ? await _templates.GetAsync(size, cancellationToken).ConfigureAwait(false) : null;
            var diskTemplates = await GetTemplatesAsync(request.DiskBytes, cancellationToken).ConfigureAwait(false);

            // (3) to (5)
            await _work.RunAsync(() => Create(request, paths, imageRoot, template, diskTemplates), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (OutOfSpace.Is(e))
        {
            throw new OutOfSpaceException($"No space left in {_state} while making the root file system of container {request.Id}.", e);
        }

        undo.Keep();
    }

    public async Task<RootfsMount> MountAsync(Guid id, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var paths = PathsOf(id);
        var (record, lower, mounted) = await _work.RunAsync(
            () =>
            {
                var found = StorageJson.Read(paths.Record, StorageJson.Default.RootfsRecord) ?? throw new ContainerNotFoundException(id);
                return (found, _store.RootOf(found.ImageKey), IsMounted(paths));
            },
            cancellationToken).ConfigureAwait(false);
        await using var undo = new Undo(_logger);
        undo.Add("the mounts", _ => _work.RunAsync(() => Unmount(paths), CancellationToken.None));
        if (record.SizeBytes is not null && !mounted)
        {
            await Ext4Resize.TakeBackAsync(paths.Image, paths.ResizeJournal, cancellationToken).ConfigureAwait(false);
            await _disks.MountAsync(paths.Image, paths.Disk, cancellationToken).ConfigureAwait(false);
        }

        var disks = await MountDisksAsync(paths, record.DiskCount, cancellationToken).ConfigureAwait(false);
        undo.Keep();
        return new RootfsMount([lower], paths.Upper, paths.Work) { Disks = disks };
    }

    public async Task UnmountAsync(Guid id, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        await _work.RunAsync(() => Unmount(PathsOf(id)), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// (1) what a killed run left (2) the disk, which is believed whatever the record says (3) further disks, likewise (4) the record.
    /// </summary>
    public async Task ResizeRootfsAsync(Guid id, long? sizeBytes, IReadOnlyList<long> diskBytes, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var paths = PathsOf(id);
        try
        {
            var record = await _work.RunAsync(() => CheckResize(id, paths, sizeBytes, diskBytes), cancellationToken).ConfigureAwait(false);
            if (sizeBytes is { } size)
            {
                // (1)
                await Ext4Resize.TakeBackAsync(paths.Image, paths.ResizeJournal, cancellationToken).ConfigureAwait(false);

                // (2)
                if (await _work.RunAsync(() => Ext4Resize.SizeOf(paths.Image), cancellationToken).ConfigureAwait(false) != size)
                {
                    await Ext4Resize.ResizeAsync(paths.Image, paths.ResizeJournal, size, cancellationToken).ConfigureAwait(false);
                }
            }

            // (3)
            await ResizeDisksAsync(paths, record.DiskCount, diskBytes, cancellationToken).ConfigureAwait(false);

            // (4)
            await _work.RunAsync(
                () => StorageJson.Write(
                    paths.Container, RootfsPaths.RecordName, record with { SizeBytes = sizeBytes, DiskCount = diskBytes.Count }, StorageJson.Default.RootfsRecord),
                CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (OutOfSpace.Is(e))
        {
            throw new OutOfSpaceException($"No space left in {_state} while resizing the disks of container {id}.", e);
        }
    }

    public async Task DeleteRootfsAsync(Guid id, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        await _work.RunAsync(() => Remove(id), cancellationToken).ConfigureAwait(false);
    }

    public Task<long> GetUsedBytesAsync(Guid id, CancellationToken cancellationToken) => _work.RunAsync(() => UsedBytes(id), cancellationToken);

    public Task<(long Total, long Used)> GetCapacityAsync(CancellationToken cancellationToken) =>
        _work.RunAsync(
            () =>
            {
                var usage = FileSystemUsage.Of(_state);
                return (usage.TotalBytes, usage.UsedBytes);
            },
            cancellationToken);

    public void Dispose() => _work.Dispose();
}
