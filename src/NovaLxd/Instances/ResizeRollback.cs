using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>
/// What becomes of a resize that fails before it is finished: the server is as it was, runs if it ran, and its owner finds the reason in the fault. Nova leaves
/// an error behind from the moment the guest is off; on one host there is always a way back. A step that was overtaken (the instance is being deleted, or an
/// earlier message was carried out after a restart) leaves the instance alone.
/// </summary>
internal sealed class ResizeRollback(
    ConductorClient conductor, IContainerDriver driver, InstanceSize size, InstancePower power, PowerStates powerStates, ResourceTracker resources,
    InstanceAllocations allocations, ILogger<ResizeRollback> logger)
{
    /// <summary>system_metadata: the vm_state before the resize.</summary>
    public const string OldVmState = "old_vm_state";

    /// <summary>Its own time, and not the caller's token: the failure may be that a neighbour is away.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    private static readonly string?[] ResizeTasks = [TaskState.ResizePrep, TaskState.ResizeMigrating, TaskState.ResizeMigrated, TaskState.ResizeFinish, null];

    /// <summary>
    /// Whether the instance is where a step of a resize takes it up. A message that comes twice, or after a restart that settled the resize, must not
    /// touch what has become of it since.
    /// </summary>
    public async Task<bool> IsAtAsync(RequestContext context, Instance instance, Migration migration, string taskState, CancellationToken cancellationToken)
    {
        try
        {
            var row = await conductor.GetInstanceAsync(context, instance.Uuid, [], cancellationToken);
            if (row.TaskState == taskState)
            {
                return true;
            }

            logger.LogWarning("A step of a resize comes when the task is {Task} and not {Expected}: it is left out.", row.TaskState ?? "none", taskState);
            if (row.TaskState == TaskState.Deleting)
            {
                await AbandonAsync(context, migration, cancellationToken);
            }
        }
        catch (InstanceNotFoundException)
        {
            logger.LogInformation("The instance was deleted while it was being resized.");
            await AbandonAsync(context, migration, cancellationToken);
        }

        return false;
    }

    /// <summary>Does a step, or takes all of the resize back. A stop of the service leaves the resize to the next start, which finds it by its task.</summary>
    public async Task GuardAsync(RequestContext context, Instance instance, Migration migration, Func<Task> step, CancellationToken cancellationToken)
    {
        try
        {
            await step();
        }
        catch (Exception e) when (e is InstanceNotFoundException or UnexpectedDeletingTaskStateException && !cancellationToken.IsCancellationRequested)
        {
            await AbandonAsync(context, migration, cancellationToken);
            throw;
        }
        catch (Exception e) when (e is not UnexpectedTaskStateException && !cancellationToken.IsCancellationRequested)
        {
            logger.LogWarning(e, "The resize is taken back: {Reason}", e.Message);
            using var limit = new CancellationTokenSource(Limit);
            await RunAsync(context, instance, migration, limit.Token);
            ExceptionDispatchInfo.Throw(e is InstanceFaultRollbackException { InnerException: { } inner } ? inner : e);
        }
    }

    /// <summary>
    /// (1) container (2) allocation (3) row (4) books. What fails is logged; an instance whose container cannot be brought back is an error. The task stays: it
    /// goes last, with the failure (<see cref="Rpc.Wrap.T"/>), so that nobody begins anything before that.
    /// </summary>
    public async Task RunAsync(RequestContext context, Instance instance, Migration? migration, CancellationToken cancellationToken)
    {
        await conductor.LoadAttributesAsync(context, instance, ["flavor", "old_flavor", "new_flavor", "system_metadata", "info_cache"], cancellationToken);
        var flavor = OldFlavor(instance);
        var vmState = instance.SystemMetadata.Find(OldVmState) ?? (instance.VmState == VmState.Stopped ? VmState.Stopped : VmState.Active);
        InstanceSize.SetFlavor(instance, flavor);

        // (1)
        if (!await TryAsync("the container", () => RestoreAsync(context, instance, flavor, vmState != VmState.Stopped, cancellationToken)))
        {
            vmState = VmState.Error;
        }

        // (2)
        if (migration is not null)
        {
            await TryAsync("the allocation", () => allocations.TakeBackAsync(context, migration, instance, cancellationToken));
        }

        // (3)
        await TryAsync("the record", async () =>
        {
            // First of all: the answer to it takes the place of what was changed here.
            await conductor.DropMigrationContextAsync(context, instance, cancellationToken);
            InstanceSize.SetFlavor(instance, flavor);
            ForgetResize(instance);
            if (migration is { SourceCompute: { } source } && instance.Host != source)
            {
                (instance.Host, instance.Node) = (source, migration.SourceNode);
            }

            instance.VmState = vmState;
            instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
            await conductor.SaveAsync(context, instance, ResizeTasks, cancellationToken);
        });

        // (4)
        await TryAsync("the usage", () => resources.DropMoveAsync(context, instance, flavor, cancellationToken));
    }

    /// <summary>The instance is gone, or going with what is its own; what the migration holds goes here. The instance's delete has the rest.</summary>
    public async Task AbandonAsync(RequestContext context, Migration migration, CancellationToken cancellationToken)
    {
        await TryAsync("the allocation", () => allocations.ConfirmAsync(context, migration, cancellationToken));
        await TryAsync("the migration", async () =>
        {
            migration.Status = "error";
            await conductor.SaveAsync(context, migration, cancellationToken);
        });
    }

    /// <summary>The row no longer speaks of a resize (_delete_stashed_flavor_info).</summary>
    public static void ForgetResize(Instance instance)
    {
        instance.OldFlavor = null;
        instance.NewFlavor = null;
        instance.SystemMetadata.Remove(OldVmState);
    }

    /// <summary>The flavor before the resize: kept aside from the moment the guest is off.</summary>
    private static Flavor OldFlavor(Instance instance) => (instance.IsSet("old_flavor") ? instance.OldFlavor : null) ?? instance.Flavor;

    private async Task RestoreAsync(RequestContext context, Instance instance, Flavor flavor, bool powerOn, CancellationToken cancellationToken)
    {
        if (await driver.FindAsync(Guid.Parse(instance.Uuid), cancellationToken) is not { } container)
        {
            throw InstanceNotFoundException.For(instance.Uuid);
        }

        if (!await size.HasAsync(context, instance, container, flavor, cancellationToken))
        {
            await power.OffAsync(instance, clean: true, cancellationToken);
            await size.ApplyAsync(context, instance, flavor, cancellationToken);
        }

        if (powerOn)
        {
            await power.OnAsync(context, instance, instance.NetworkInfo, cancellationToken);
        }
    }

    private async Task<bool> TryAsync(string what, Func<Task> step)
    {
        try
        {
            await step();
            return true;
        }
#pragma warning disable CA1031 // The rest is to be brought back all the same; the failure that began it is on its way up.
        catch (Exception e)
#pragma warning restore CA1031
        {
            logger.LogError(e, "A resize is taken back, and this could not be: {What}: {Reason}", what, e.Message);
            return false;
        }
    }
}
