using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt;

/// <summary>
/// Brings records, engine and host into agreement after the service, its supervisor or the host was away. What fails for one container is logged and does
/// not keep the others waiting: its next start, stop or deletion tries again.
/// </summary>
internal sealed class ContainerRecovery(
    IContainerEngine engine, IStorageBackend storage, ContainerStore store, KeyedLock<Guid> locks, ContainerRelease release, ContainerExports exports, IdRanges ids,
    ILogger logger)
{
    private const string EndedUnseen = "ended while nobody watched";
    private const string EndedWithHost = "ended with the host, which was started anew";

    /// <returns>The containers that were thought to run and do not.</returns>
    public async Task<IReadOnlyList<ContainerRecord>> RecoverAsync(string bootId, CancellationToken cancellationToken)
    {
        var ended = new List<ContainerRecord>();
        foreach (var record in store.Records)
        {
            try
            {
                using var held = await locks.EnterAsync(record.Id, cancellationToken).ConfigureAwait(false);
                if (store.Find(record.Id) is { } current && await RecoverAsync(current, bootId, cancellationToken).ConfigureAwait(false) is { } gone)
                {
                    ended.Add(gone);
                }
            }
#pragma warning disable CA1031 // One container must not keep the others, and the service, from starting.
            catch (Exception e) when (e is not OperationCanceledException)
#pragma warning restore CA1031
            {
                logger.LogError(e, "Container {Container} ({Name}) could not be brought in order", record.Id, record.Spec.Name);
            }
        }

        // Nothing is killed for want of a record: an unmounted state directory would end every guest of the host.
        foreach (var unknown in await engine.ListAsync(cancellationToken).ConfigureAwait(false))
        {
            if (store.Find(unknown.Id) is null)
            {
                logger.LogWarning(
                    "Container {Container} ({Name}) is known to the supervisor and has no record in the state directory; it is left as it is. Restore the record, or delete the container.",
                    unknown.Id, unknown.Name);
            }
        }

        return ended;
    }

    /// <summary>Takes away what a creation that was never finished has left; under the container's lock.</summary>
    public async Task RemoveHalfMadeAsync(ContainerRecord record, CancellationToken cancellationToken)
    {
        await storage.DeleteRootfsAsync(record.Id, cancellationToken).ConfigureAwait(false);
        store.Remove(record.Id);
        if (record.IdMap is { } range)
        {
            ids.Release(range);
        }
    }

    /// <returns>The record when the container was thought to run and does not; else null.</returns>
    private async Task<ContainerRecord?> RecoverAsync(ContainerRecord record, string bootId, CancellationToken cancellationToken)
    {
        var situation = record.Situation;
        if (!record.Created)
        {
            logger.LogWarning("Container {Container} ({Name}) was left half made; it is taken away", record.Id, record.Spec.Name);
            await RemoveHalfMadeAsync(record, cancellationToken).ConfigureAwait(false);
            return null;
        }

        Drives.ContainerDrives.RemoveArchive(store.Folder(record.Id));
        if (record.Rescue is null)
        {
            await storage.DeleteRootfsAsync(ContainerRoots.RescueRootOf(record.Id), cancellationToken).ConfigureAwait(false);
        }

        var known = await engine.FindAsync(record.Id, cancellationToken).ConfigureAwait(false);
        if (known is { State: ContainerState.Running or ContainerState.Frozen })
        {
            record = await exports.RecoverAsync(record, known, cancellationToken).ConfigureAwait(false);
            situation = record.Situation;
            if (situation.RunningInBoot != bootId)
            {
                // Killed between the launch and the record of it.
                await store.SaveSituationAsync(record, situation with { RunningInBoot = bootId, LastExit = null, Crashed = false }, cancellationToken).ConfigureAwait(false);
            }

            return null;
        }

        if (known is null && situation.RunningInBoot is { } boot)
        {
            record = record with { Situation = situation with { LastExit = boot == bootId ? EndedUnseen : EndedWithHost, Crashed = false } };
            record = await store.SaveSituationAsync(record, record.Situation, cancellationToken).ConfigureAwait(false);
        }

        // Ports plugged for a start that did not come yet stay plugged within one boot: the caller goes on from there.
        var wasRunning = situation.RunningInBoot is not null;
        if (known is not null || wasRunning || situation.FormerPorts.Count > 0 || (situation.PluggedInBoot ?? bootId) != bootId)
        {
            record = await release.ReleaseAsync(record, known, cancellationToken).ConfigureAwait(false);
        }

        return wasRunning ? record : null;
    }
}
