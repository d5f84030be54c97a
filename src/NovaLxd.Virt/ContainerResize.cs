using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt;

/// <summary>
/// Gives a stopped container another size: (1) disks (2) record, by which its next start has the new limits. Safe to repeat after a crash between the two:
/// the storage has a record of its own. Called under the container's lock.
/// </summary>
internal sealed class ContainerResize(IStorageBackend storage, ContainerStore store, ILogger logger)
{
    /// <exception cref="ContainerStateException">It cannot have this size; it has the old one.</exception>
    /// <exception cref="OutOfSpaceException">The host's disk is full; it has the old one.</exception>
    public async Task ResizeAsync(ContainerRecord record, ContainerSize size, CancellationToken cancellationToken)
    {
        var (id, old) = (record.Id, record.Spec);
        if (size.Security.Privileged != old.Security.Privileged)
        {
            // The files of its root belong to other ids.
            throw new ContainerStateException($"{old.Name} is {(old.Security.Privileged ? "" : "not ")}privileged, which cannot be changed once it is made.");
        }

        var spec = old with { RootDiskBytes = size.RootDiskBytes, Disks = size.Disks, Limits = size.Limits, Security = size.Security };
        ContainerSpecCheck.Check(spec);
        await using var undo = new Undo(logger);

        // (1) A root that was made or mounted for a start that did not come yet is mounted.
        await storage.UnmountAsync(id, cancellationToken).ConfigureAwait(false);
        undo.Add("the size of the disks", token => storage.ResizeRootfsAsync(id, old.RootDiskBytes, BytesOf(old.Disks), token));
        await storage.ResizeRootfsAsync(id, size.RootDiskBytes, BytesOf(size.Disks), cancellationToken).ConfigureAwait(false);

        // (2)
        await store.SaveAsync(record with { Spec = spec }, cancellationToken).ConfigureAwait(false);
        undo.Keep();
    }

    /// <summary>Whether the container has this size by its record.</summary>
    public static bool HasSize(ContainerSpec spec, ContainerSize size) =>
        spec.RootDiskBytes == size.RootDiskBytes && spec.Disks.SequenceEqual(size.Disks) && spec.Limits == size.Limits
        && spec.Security with { AllowSystemCalls = [] } == size.Security with { AllowSystemCalls = [] }
        && spec.Security.AllowSystemCalls.SequenceEqual(size.Security.AllowSystemCalls);

    private static long[] BytesOf(IReadOnlyList<DiskSpec> disks) => [.. disks.Select(disk => disk.SizeBytes)];
}
