using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Drives;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Transfers;

/// <summary>The order of things when a container leaves or arrives. What an arrival has on the host is named by its record, as with a container that is being made.</summary>
internal sealed class ContainerTransfers(
    IContainerEngine engine, IStorageBackend storage, ContainerStore store, ContainerNames names, IdRanges ids, KeyedLock<Guid> locks, ContainerRelease release,
    ContainerRecovery recovery, long imageMaxBytes, ILogger logger) : IContainerTransfers
{
    /// <summary>What a host keeps for itself.</summary>
    private const long Reserve = 64 << 20;

    /// <summary>Most bytes of a drive's archive: its files, their image, and what tar adds.</summary>
    private const long MaxDriveBytes = 4 * DriveCheck.MaxContentBytes;

    private static readonly string[] PartNames = [ContainerManifest.RootPart, ContainerManifest.DrivePart, ContainerManifest.ImagePart];

    public async Task<IContainerDeparture> DepartAsync(Guid id, CancellationToken cancellationToken)
    {
        using var held = await locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var record = store.Find(id) is { Created: true } found ? found : throw new ContainerNotFoundException(id);
        var known = await engine.FindAsync(id, cancellationToken).ConfigureAwait(false);
        if (known is { State: ContainerState.Running or ContainerState.Frozen })
        {
            throw new ContainerStateException($"{record.Spec.Name} runs and cannot leave this host: stop it first.");
        }

        record = await release.ReleaseAsync(record, known, cancellationToken).ConfigureAwait(false);
        var root = await storage.PackRootfsAsync(id, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<PackedFile> disks = [];
        try
        {
            disks = await storage.PackDisksAsync(id, cancellationToken).ConfigureAwait(false);
            var drive = record.Spec.Drive is null ? null : await ContainerDrives.PackAsync(store.Folder(id), cancellationToken).ConfigureAwait(false);
            return new ContainerDeparture(record, storage, root.Form, root.File, disks, drive);
        }
        catch
        {
            foreach (var file in disks.Prepend(root.File))
            {
                file.Dispose();
            }

            throw;
        }
    }

    /// <summary>(1) what cannot be is refused (2) room (3) name and ids (4) a record that says "half made" (5) empty files</summary>
    public async Task<IContainerArrival> ExpectAsync(ContainerManifest manifest, CancellationToken cancellationToken)
    {
        // (1)
        Check(manifest);
        var spec = manifest.Spec;
        using var held = await locks.EnterAsync(spec.Id, cancellationToken).ConfigureAwait(false);
        if (store.Find(spec.Id) is { } existing)
        {
            if (existing.Created)
            {
                throw new ContainerExistsException(spec.Id);
            }

            await recovery.RemoveHalfMadeAsync(existing, cancellationToken).ConfigureAwait(false);
        }

        // (2)
        await CheckRoomAsync(manifest, cancellationToken).ConfigureAwait(false);

        // (3)
        using var name = names.Claim(spec.Name, spec.Id);
        var record = new ContainerRecord { Id = spec.Id, Spec = spec.WithoutContent(), IdMap = spec.Security.Privileged ? null : ids.Allocate(manifest.IdMapBase) };
        await using var undo = new Undo(logger);
        undo.Add("the arrival", token => recovery.RemoveHalfMadeAsync(record, token));

        // (4)
        await store.SaveAsync(record, cancellationToken).ConfigureAwait(false);

        // (5)
        var arrival = new ContainerArrival(manifest, record, this, logger);
        foreach (var part in manifest.Parts)
        {
            await arrival.OpenAsync(part, cancellationToken).ConfigureAwait(false);
        }

        undo.Keep();
        return arrival;
    }

    /// <exception cref="TransferRefusedException">No container of ours has such parts.</exception>
    public static void Check(ContainerManifest manifest)
    {
        var spec = manifest.Spec;
        try
        {
            ContainerSpecCheck.Check(spec);
        }
        catch (ArgumentException e)
        {
            throw new TransferRefusedException(e.Message, e);
        }

        var root = manifest.Find(ContainerManifest.RootPart);
        if (root is null || manifest.Parts.Any(p => !IsKnown(p, spec) || p.Size < 0 || p.DataBytes < 0)
            || manifest.Parts.DistinctBy(p => p.Name).Count() != manifest.Parts.Count)
        {
            throw new TransferRefusedException($"The parts of the container are wrong: {string.Join(", ", manifest.Parts)}.");
        }

        if (spec.Drive is null != manifest.Find(ContainerManifest.DrivePart) is null || manifest.Find(ContainerManifest.DrivePart) is { Size: > MaxDriveBytes })
        {
            throw new TransferRefusedException("The container has a drive that does not come, or none that does, or a larger one than there can be.");
        }

        if ((manifest.Root == RootForm.Disk) != (spec.RootDiskBytes is not null) || (manifest.Root == RootForm.Disk && root.Size > spec.RootDiskBytes))
        {
            throw new TransferRefusedException(
                $"The root disk is to have {spec.RootDiskBytes?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "no limit"}, and comes as {manifest.Root} of {root.Size} bytes.");
        }

        if (spec.Disks.Where((disk, number) => manifest.Find(ContainerManifest.DiskPart(number)) is not { } part || part.Size > disk.SizeBytes).Any())
        {
            throw new TransferRefusedException("The container has a further disk that does not come, or comes larger than it is to be.");
        }

        if (spec.Security.Privileged != manifest.IdMapBase is null)
        {
            throw new TransferRefusedException("The container is privileged and has ids of its own, or neither.");
        }
    }

    private static bool IsKnown(TransferPart part, ContainerSpec spec) =>
        ContainerManifest.DiskOf(part.Name) is { } number ? number < spec.Disks.Count : PartNames.Contains(part.Name);

    /// <summary>Archives are here twice for a while: as they come, and unpacked.</summary>
    /// <exception cref="OutOfSpaceException"/>
    public async Task CheckRoomAsync(ContainerManifest manifest, CancellationToken cancellationToken)
    {
        var (total, used) = await storage.GetCapacityAsync(cancellationToken).ConfigureAwait(false);
        var needed = manifest.Parts.Sum(p => IsDisk(p, manifest) ? (decimal)p.DataBytes : 2m * p.DataBytes);
        if (needed > total - used - Reserve)
        {
            throw new OutOfSpaceException(
                $"{manifest.Spec.Name} needs {(long)(needed / (1 << 20)) + 1} MiB, and this host has {Math.Max(0, (total - used - Reserve) >> 20)} MiB left for it.");
        }
    }

    private static bool IsDisk(TransferPart part, ContainerManifest manifest) =>
        ContainerManifest.DiskOf(part.Name) is not null || (part.Name == ContainerManifest.RootPart && manifest.Root == RootForm.Disk);

    /// <summary>Makes an empty file for a part.</summary>
    public async Task<SafeFileHandle> OpenAsync(ContainerRecord record, RootForm form, TransferPart part, CancellationToken cancellationToken) => part.Name switch
    {
        ContainerManifest.DrivePart => ContainerDrives.StartArrival(store.Folder(record.Id), part.Size),
        ContainerManifest.ImagePart => await storage.StartArrivalAsync(record.Id, ArrivingKind.Image, part.Size, cancellationToken).ConfigureAwait(false),
        _ when ContainerManifest.DiskOf(part.Name) is { } number =>
            await storage.StartDiskArrivalAsync(record.Id, number, part.Size, cancellationToken).ConfigureAwait(false),
        _ => await storage.StartArrivalAsync(
            record.Id, form == RootForm.Disk ? ArrivingKind.Disk : ArrivingKind.Layer, part.Size, cancellationToken).ConfigureAwait(false),
    };

    /// <summary>All data are here: makes the container of them.</summary>
    public async Task CompleteAsync(ContainerManifest manifest, ContainerRecord record, bool withImage, CancellationToken cancellationToken)
    {
        var key = record.Spec.ImageKey;
        if (withImage)
        {
            var import = new ImageImport { Key = key, OpenAsync = _ => storage.OpenArrivedImageAsync(record.Id), MaxUnpackedBytes = imageMaxBytes };
            await storage.ImportImageAsync(import, cancellationToken).ConfigureAwait(false);
        }

        using var held = await locks.EnterAsync(record.Id, cancellationToken).ConfigureAwait(false);
        if (!IsHere(record))
        {
            throw new ContainerStateException($"What arrived of {record.Spec.Name} was deleted here meanwhile.");
        }

        await storage.CompleteArrivalAsync(
            new RootfsArrival(record.Id, key, record.Spec.RootDiskBytes, record.Spec.Disks.Count, record.IdMap, manifest.IdMapBase), cancellationToken).ConfigureAwait(false);
        if (record.Spec.Drive is not null)
        {
            await ContainerDrives.CompleteArrivalAsync(store.Folder(record.Id), cancellationToken).ConfigureAwait(false);
        }

        await store.SaveAsync(record with { Created = true }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Takes an arrival away, unless somebody has, or has begun another.</summary>
    public async Task AbandonAsync(ContainerRecord record, CancellationToken cancellationToken)
    {
        using var held = await locks.EnterAsync(record.Id, cancellationToken).ConfigureAwait(false);
        if (IsHere(record))
        {
            await recovery.RemoveHalfMadeAsync(record, cancellationToken).ConfigureAwait(false);
        }
    }

    private bool IsHere(ContainerRecord record) => ReferenceEquals(store.Find(record.Id), record);
}
