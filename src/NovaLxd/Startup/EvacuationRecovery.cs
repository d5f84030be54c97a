using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Logging;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.Placement;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.Virt;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Startup;

/// <summary>
/// Evacuations from this host while it was down (nova/compute/manager.py:_destroy_evacuated_instances), and evacuations to it that a stop of the service cut
/// short: Nova forgets the latter, whose instances stay busy for good.
/// </summary>
internal sealed class EvacuationRecovery(
    ConductorClient conductor,
    IContainerDriver driver,
    PlacementAllocations placement,
    NodeIdentity identity,
    EvacuationClaims claims,
    ResourceTracker resources,
    InstanceStop stop,
    ServiceOptions options,
    ILogger<EvacuationRecovery> logger)
{
    private const string Done = "done";
    private static readonly string?[] RebuildTasks = [TaskState.Rebuilding, TaskState.RebuildBlockDeviceMapping, TaskState.RebuildSpawning];

    /// <summary>Those that are not over yet count too: the instance must not be found on two hosts.</summary>
    private static readonly string[] Departed = ["accepted", "pre-migrating", Done];

    private static readonly string[] Attributes = ["flavor", "metadata", "system_metadata", "info_cache", "migration_context"];

    /// <summary>
    /// Removes the containers of the instances that were evacuated from here, and what they have allocated here. Their ports, volumes and rows are another host's by
    /// now, or soon. Returns the instances: nobody else is to recover them.
    /// </summary>
    public async Task<IReadOnlySet<string>> RemoveDepartedAsync(RequestContext context, CancellationToken cancellationToken)
    {
        var filters = new JObject { ["source_compute"] = options.Host, ["status"] = new JArray(Departed), ["migration_type"] = EvacuationClaims.Type };

        // Those of deleted instances are deleted along with them.
        var evacuations = await conductor.GetMigrationsByFiltersAsync(context.With("read_deleted", "yes"), filters, cancellationToken);
        var departed = new HashSet<string>();
        foreach (var migrations in evacuations.GroupBy(m => m.InstanceUuid!))
        {
            using var scope = logger.BeginScope(new LogSubject(InstanceUuid: Guid.Parse(migrations.Key)));
            try
            {
                if (!await RemoveAsync(context, migrations.Key, [.. migrations], cancellationToken))
                {
                    continue;
                }
            }
            catch (Exception e) when (e is VirtException or KernelException or IOException or OpenStackException or OutcomeException)
            {
                logger.LogError(e, "What is left here of an evacuated instance could not all be removed, which is tried again at the next start: {Reason}", e.Message);
            }

            departed.Add(migrations.Key);
        }

        return departed;
    }

    /// <summary>Finishes the evacuations to this host that had only to be recorded, and takes the others back, with a fault that says so.</summary>
    public async Task SettleArrivalsAsync(RequestContext context, CancellationToken cancellationToken)
    {
        foreach (var migration in await conductor.GetMigrationsInProgressAsync(context, options.Host, identity.NodeName, cancellationToken))
        {
            if (migration.MigrationType == EvacuationClaims.Type && migration.DestCompute == options.Host && migration.Status == "pre-migrating")
            {
                using var scope = logger.BeginScope(new LogSubject(InstanceUuid: Guid.Parse(migration.InstanceUuid!)));
                await SettleAsync(context, migration, cancellationToken);
            }
        }
    }

    /// <summary>
    /// (1) container (2) allocation (3) migrations. False: it is this host's instance, which came back since, or whose evacuation never came to anything. (Nova would
    /// destroy its guest, and what is in it.)
    /// </summary>
    private async Task<bool> RemoveAsync(RequestContext context, string uuid, IReadOnlyList<Migration> migrations, CancellationToken cancellationToken)
    {
        var instance = await FindAsync(context, uuid, cancellationToken);
        var isHere = instance?.Host == options.Host && (migrations.All(m => m.Status == Done) || !RebuildTasks.Contains(instance.TaskState));

        // (1)
        var id = Guid.Parse(uuid);
        if (!isHere && await driver.FindAsync(id, cancellationToken) is not null)
        {
            logger.LogInformation("The instance was evacuated from this host; its container, which is still here, is removed.");
            await driver.DeleteAsync(id, cancellationToken);
        }

        if (instance is null)
        {
            return true;
        }

        if (!migrations.Any(m => m.SourceNode == identity.NodeName))
        {
            logger.LogError("The instance was evacuated from node {Node}, which this host does not have: its allocation there is left alone.", migrations[0].SourceNode);
            return true;
        }

        // (2)
        if (!isHere)
        {
            await placement.RemoveProviderTreeFromAllocationAsync(Callers.Service(context), uuid, identity.Uuid, cancellationToken);
        }

        // (3)
        foreach (var migration in migrations)
        {
            migration.Status = isHere && migration.Status != Done ? "failed" : "completed";
            await conductor.SaveAsync(context, migration, cancellationToken);
        }

        return !isHere;
    }

    private async Task SettleAsync(RequestContext context, Migration migration, CancellationToken cancellationToken)
    {
        var id = Guid.Parse(migration.InstanceUuid!);
        if (await FindAsync(context, migration.InstanceUuid!, cancellationToken) is not { } instance)
        {
            await driver.DeleteAsync(id, cancellationToken);
            await claims.FailAsync(context, migration, cancellationToken);
            return;
        }

        var isMade = await driver.FindAsync(id, cancellationToken) is not null
            && instance is { VmState: VmState.Active or VmState.Stopped, TaskState: null or TaskState.PoweringOff };
        if (instance.Host != options.Host && !isMade)
        {
            await TakeBackAsync(context, instance, migration, cancellationToken);
            return;
        }

        if (instance.MigrationContext is { } moved && moved.MigrationId != migration.Id)
        {
            logger.LogWarning("Migration {Migration} is not what the instance is in the midst of: it is over.", migration.Uuid);
            await claims.FailAsync(context, migration, cancellationToken);
            return;
        }

        logger.LogInformation("The service was stopped at the end of the evacuation of the instance; it is this host's now.");
        if (instance.Host != options.Host && instance.TaskState == TaskState.PoweringOff)
        {
            await stop.StopAsync(context, instance, clean: false, cancellationToken);
        }

        await resources.FinishEvacuationAsync(context, instance, migration, cancellationToken);
    }

    private async Task TakeBackAsync(RequestContext context, Instance instance, Migration migration, CancellationToken cancellationToken)
    {
        logger.LogWarning("The service was stopped while it evacuated the instance to this host; that is taken back.");
        await driver.DeleteAsync(Guid.Parse(instance.Uuid), cancellationToken);
        await claims.ReleaseAllocationAsync(context, instance, cancellationToken);
        await claims.AbortAsync(context, instance, cancellationToken);
        if (RebuildTasks.Contains(instance.TaskState))
        {
            try
            {
                var from = instance.TaskState;
                instance.VmState = VmState.Error;
                instance.TaskState = null;
                await conductor.SaveAsync(context, instance, [from], cancellationToken);
                await conductor.CreateAsync(context, InstanceFaults.From(new BuildAbortException(
                    "The evacuation was interrupted by a stop of the compute service: evacuate the server again.", 500), instance.Uuid, options.Host), cancellationToken);
            }
            catch (Exception e) when (e is InstanceNotFoundException or UnexpectedTaskStateException)
            {
                logger.LogInformation("Somebody else is at work on the instance: {Reason}", e.Message);
            }
        }

        await claims.FailAsync(context, migration, cancellationToken);
    }

    private async Task<Instance?> FindAsync(RequestContext context, string uuid, CancellationToken cancellationToken)
    {
        try
        {
            return await conductor.GetInstanceAsync(context, uuid, Attributes, cancellationToken);
        }
        catch (InstanceNotFoundException)
        {
            return null;
        }
    }
}
