using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt;

/// <summary>
/// The roots of a container: its own, and while it is rescued another that it boots in place of it. Which of them is booted the record says, on disk for good
/// before anything is booted by it; a root that no record speaks of is left from a service that died and goes.
/// </summary>
internal sealed class ContainerRoots(IContainerEngine engine, IStorageBackend storage, ContainerStore store, KeyedLock<Guid> locks, ILogger logger)
{
    /// <summary>Name by which the storage backend keeps the other root: found again without being written down anywhere.</summary>
    public static Guid RescueRootOf(Guid id) => new(SHA256.HashData([.. id.ToByteArray(), .. "rescue"u8]).AsSpan(0, 16));

    /// <summary>Under the container's lock.</summary>
    /// <returns>The root to boot, and that of the instance when it is another.</returns>
    public async Task<(RootfsMount Root, RootfsMount? Rescued)> MountAsync(ContainerRecord record, Undo undo, CancellationToken cancellationToken)
    {
        var own = await storage.MountAsync(record.Id, cancellationToken).ConfigureAwait(false);
        undo.Add("the mount", token => storage.UnmountAsync(record.Id, token));
        if (record.Rescue is null)
        {
            return (own, null);
        }

        var other = RescueRootOf(record.Id);
        var rescue = await storage.MountAsync(other, cancellationToken).ConfigureAwait(false);
        undo.Add("the mount of the rescue root", token => storage.UnmountAsync(other, token));
        return (rescue, own);
    }

    public static async Task UnmountAsync(IStorageBackend storage, ContainerRecord record, CancellationToken cancellationToken)
    {
        await storage.UnmountAsync(record.Id, cancellationToken).ConfigureAwait(false);
        if (record.Rescue is not null)
        {
            await storage.UnmountAsync(RescueRootOf(record.Id), cancellationToken).ConfigureAwait(false);
        }
    }

    /// (1) what an earlier rescue left (2) root (3) the record, by which it is booted
    public async Task RescueAsync(Guid id, string imageKey, CancellationToken cancellationToken)
    {
        using var held = await locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var record = await GetStoppedAsync(id, "rescued", cancellationToken).ConfigureAwait(false);
        var other = RescueRootOf(id);
        await using var undo = new Undo(logger);
        await RemoveAsync(record, cancellationToken).ConfigureAwait(false);
        await storage.CreateRootfsAsync(new RootfsRequest(other, imageKey, record.Spec.RootDiskBytes, record.IdMap, []), cancellationToken).ConfigureAwait(false);
        undo.Add("the rescue root", token => storage.DeleteRootfsAsync(other, token));
        await store.SaveAsync(record with { Rescue = new RescueRecord(imageKey) }, cancellationToken).ConfigureAwait(false);
        undo.Keep();
    }

    public async Task UnrescueAsync(Guid id, CancellationToken cancellationToken)
    {
        using var held = await locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        if (GetRecord(id).Rescue is not null)
        {
            await RemoveAsync(await GetStoppedAsync(id, "unrescued", cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Both, whatever a record says; under the container's lock.</summary>
    public static async Task DeleteAsync(IStorageBackend storage, Guid id, CancellationToken cancellationToken)
    {
        await storage.DeleteRootfsAsync(RescueRootOf(id), cancellationToken).ConfigureAwait(false);
        await storage.DeleteRootfsAsync(id, cancellationToken).ConfigureAwait(false);
    }

    /// (1) the record, lest it speak of a root that is gone (2) root
    private async Task RemoveAsync(ContainerRecord record, CancellationToken cancellationToken)
    {
        if (record.Rescue is not null)
        {
            await store.SaveAsync(record with { Rescue = null }, cancellationToken).ConfigureAwait(false);
        }

        await storage.DeleteRootfsAsync(RescueRootOf(record.Id), cancellationToken).ConfigureAwait(false);
    }

    private ContainerRecord GetRecord(Guid id) => store.Find(id) is { Created: true } record ? record : throw new ContainerNotFoundException(id);

    private async Task<ContainerRecord> GetStoppedAsync(Guid id, string what, CancellationToken cancellationToken) =>
        GetRecord(id) is var record && await engine.FindAsync(id, cancellationToken).ConfigureAwait(false) is { State: ContainerState.Running or ContainerState.Frozen }
            ? throw new ContainerStateException($"{record.Spec.Name} runs: it can be {what} when it is stopped.")
            : record;
}
