using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt;

/// <summary>Takes from a container that no longer runs what it needs only while it runs. Safe to repeat; called under the container's lock.</summary>
internal sealed class ContainerRelease(IContainerEngine engine, IStorageBackend storage, ContainerPorts ports, ContainerStore store)
{
    /// <param name="ended">How the engine says it ended; null when the engine does not know it.</param>
    public async Task<ContainerRecord> ReleaseAsync(ContainerRecord record, EngineContainer? ended, CancellationToken cancellationToken)
    {
        // How it ended is saved before the engine forgets it.
        var situation = record.Situation;
        if (ended is not null)
        {
            situation = situation with { LastExit = ended.LastExit, Crashed = ended.State == ContainerState.Crashed, RunningInBoot = null };
            record = await store.SaveSituationAsync(record, situation, cancellationToken).ConfigureAwait(false);
            await engine.ForgetAsync(record.Id, cancellationToken).ConfigureAwait(false);
        }

        await ContainerRoots.UnmountAsync(storage, record, cancellationToken).ConfigureAwait(false);
        if (situation.PluggedInBoot is not null || situation.FormerPorts.Count > 0)
        {
            await ports.UnplugAllAsync(record, cancellationToken).ConfigureAwait(false);
        }

        return situation is { PluggedInBoot: null, FormerPorts.Count: 0, RunningInBoot: null }
            ? record
            : await store.SaveSituationAsync(record, situation with { PluggedInBoot = null, FormerPorts = [], RunningInBoot = null }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// The same for a container that is about to be deleted: nothing is written, so that a full disk does not refuse what would make room on it. The record goes
    /// on naming everything until it goes itself.
    /// </summary>
    /// <param name="known">Whether the engine knows the container.</param>
    public async Task ReleaseForGoodAsync(ContainerRecord record, bool known, CancellationToken cancellationToken)
    {
        if (known)
        {
            await engine.ForgetAsync(record.Id, cancellationToken).ConfigureAwait(false);
        }

        await ContainerRoots.UnmountAsync(storage, record, cancellationToken).ConfigureAwait(false);
        if (record.Situation.PluggedInBoot is not null || record.Situation.FormerPorts.Count > 0)
        {
            await ports.UnplugAllAsync(record, cancellationToken).ConfigureAwait(false);
        }
    }
}
