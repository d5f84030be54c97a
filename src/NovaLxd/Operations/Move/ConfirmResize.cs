using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Move;

/// <summary>
/// The owner keeps the new flavor, or deletes the server while it waits to be confirmed (nova/compute/manager.py:confirm_resize): what was held for the way back
/// is free.
/// </summary>
internal sealed class ConfirmResize(
    ConductorClient conductor, IContainerDriver driver, InstancePorts ports, MovePorts movePorts, PowerStates powerStates, ResourceTracker resources, InstanceAllocations allocations,
    INotifier notifier, ILogger<ConfirmResize> logger) : IOperation<ConfirmResize.Request, None>
{
    private static readonly string[] Attributes =
        ["metadata", "system_metadata", "flavor", "old_flavor", "new_flavor", "info_cache", "migration_context"];

    internal sealed record Request(Instance Instance, Migration Migration) : IInstanceRequest, IMigrationRequest;

    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        try
        {
            // Read anew under the lock: two requests may have waited for it, or the last start may have settled this.
            var instance = await conductor.GetInstanceAsync(context, request.Instance.Uuid, Attributes, cancellationToken);
            var migration = await conductor.GetMigrationAsync(context, request.Migration.Id, cancellationToken);
            if (migration.Status is not ("finished" or "confirming") || instance.VmState != VmState.Resized)
            {
                logger.LogWarning("There is nothing to confirm: the migration is {Status}, the instance {VmState}.", migration.Status, instance.VmState);
                return default;
            }

            await ConfirmAsync(context, instance, migration, cancellationToken);
        }
        catch (Exception e) when (e is InstanceNotFoundException)
        {
            logger.LogInformation("The instance was deleted before it was confirmed.");
        }

        return default;
    }

    /// <summary>
    /// (1) ports, and the container where it came from (2) usage (3) state (4) allocation (5) no way back. Every step may have been done before. Where the instance is
    /// on another host now, the schedulers are told that it has left this one.
    /// </summary>
    public async Task ConfirmAsync(RequestContext context, Instance instance, Migration migration, CancellationToken cancellationToken)
    {
        try
        {
            await notifier.InstanceAsync(context, instance, ResizeEvents.ConfirmStart(), cancellationToken);

            // (1)
            var left = HostMoves.IsMove(migration);
            await movePorts.TearDownAsync(context, instance, left ? migration.SourceCompute : null, cancellationToken);
            if (left)
            {
                await driver.DeleteAsync(Guid.Parse(instance.Uuid), cancellationToken);
            }

            var networkInfo = await ports.RefreshAsync(context, instance, cancellationToken);

            // (2)
            migration.Status = "confirmed";
            await conductor.SaveAsync(context, migration, cancellationToken);
            await (left
                ? resources.InstanceDeletedAsync(context, instance, cancellationToken)
                : resources.DropMoveAsync(context, instance, instance.Flavor, cancellationToken));
            await conductor.DropMigrationContextAsync(context, instance, cancellationToken);

            // (3) The owner may have started or stopped it meanwhile.
            instance.PowerState = left ? instance.PowerState : await powerStates.GetAsync(instance, cancellationToken);
            instance.VmState = instance.PowerState is PowerState.Shutdown or PowerState.Crashed ? VmState.Stopped : VmState.Active;
            instance.TaskState = null;
            await conductor.SaveAsync(context, instance, [null, TaskState.Deleting, TaskState.SoftDeleting], cancellationToken);
            await notifier.InstanceAsync(context, instance, ResizeEvents.ConfirmEnd(networkInfo), cancellationToken);
        }
        catch (Exception e) when (e is not InstanceNotFoundException && !cancellationToken.IsCancellationRequested)
        {
            logger.LogError(e, "The resize could not be confirmed: {Reason} A hard reboot puts the instance's state right.", e.Message);
            instance.VmState = VmState.Error;
            await conductor.SaveAsync(context, instance, CancellationToken.None);
            await ForgetAsync(context, instance, migration, CancellationToken.None);
            throw;
        }

        await ForgetAsync(context, instance, migration, cancellationToken);
    }

    private async Task ForgetAsync(RequestContext context, Instance instance, Migration migration, CancellationToken cancellationToken)
    {
        // (4)
        await allocations.ConfirmAsync(context, migration, cancellationToken);

        // (5)
        ResizeRollback.ForgetResize(instance);
        await conductor.SaveAsync(context, instance, cancellationToken);
    }
}
