using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Resources;

namespace NovaLxd.Operations.Move;

/// <summary>
/// Makes the old flavor the instance's again and powers it on, if it was on before the resize (nova/compute/manager.py:finish_revert_resize). One that was not
/// has been off since, and is stopped at once where Nova powers it off once more.
/// </summary>
internal sealed class FinishRevertResize(
    ConductorClient conductor, InstancePorts ports, MovePorts movePorts, InstanceSize size, InstancePower power, PowerStates powerStates, ResizeRollback rollback,
    ResourceTracker resources, InstanceAllocations allocations, INotifier notifier, TimeProvider time, ILogger<FinishRevertResize> logger)
    : IOperation<FinishRevertResize.Request, None>
{
    internal sealed record Request(Instance Instance, Migration Migration, RequestSpec? RequestSpec = null) : IInstanceRequest, IMigrationRequest;

    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var (instance, migration) = (request.Instance, request.Migration);
        if (await rollback.IsAtAsync(context, instance, migration, TaskState.ResizeReverting, cancellationToken))
        {
            await FinishAsync(context, instance, migration, cancellationToken);
        }

        return default;
    }

    /// <summary>Every step may have been done before, by a service that was killed.</summary>
    public async Task FinishAsync(RequestContext context, Instance instance, Migration migration, CancellationToken cancellationToken)
    {
        try
        {
            await RevertAsync(context, instance, migration, cancellationToken);
        }
        catch (Exception e) when (e is InstanceNotFoundException or UnexpectedTaskStateException)
        {
            await rollback.AbandonAsync(context, migration, CancellationToken.None);
            throw;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            logger.LogError(e, "The resize could not be reverted: {Reason} A hard reboot starts the instance with its old flavor.", e.Message);
            instance.VmState = VmState.Error;
            ResizeRollback.ForgetResize(instance);
            await conductor.SaveAsync(context, instance, CancellationToken.None);
            throw;
        }
    }

    /// <summary>(1) flavor and host (2) allocation (3) ports (4) container (5) state (6) no resize any more (7) usage.</summary>
    private async Task RevertAsync(RequestContext context, Instance instance, Migration migration, CancellationToken cancellationToken)
    {
        var disks = await conductor.GetBlockDevicesAsync(context, instance.Uuid, cancellationToken);
        await notifier.InstanceAsync(context, instance, ResizeEvents.RevertStart(disks), cancellationToken);
        var powerOn = instance.SystemMetadata.Find(ResizeRollback.OldVmState) != VmState.Stopped;

        // (1)
        InstanceSize.SetFlavor(instance, instance.OldFlavor ?? throw new ResizeException("its record lost the old flavor"));
        instance.Host = migration.SourceCompute;
        instance.Node = migration.SourceNode;
        await conductor.SaveAsync(context, instance, [TaskState.ResizeReverting], cancellationToken);

        // (2)
        await allocations.TakeBackAsync(context, migration, instance, cancellationToken);

        // (3)
        await movePorts.FinishAsync(context, instance, migration.SourceCompute!, cancellationToken);
        var networkInfo = await ports.RefreshAsync(context, instance, cancellationToken);

        // (4)
        await size.ApplyAsync(context, instance, instance.Flavor, cancellationToken);
        if (powerOn)
        {
            await power.OnAsync(context, instance, networkInfo, cancellationToken);
        }

        // (5)
        await conductor.DropMigrationContextAsync(context, instance, cancellationToken);
        instance.LaunchedAt = time.GetUtcNow();
        await conductor.SaveAsync(context, instance, [TaskState.ResizeReverting], cancellationToken);
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.VmState = powerOn ? VmState.Active : VmState.Stopped;
        instance.TaskState = null;
        await conductor.SaveAsync(context, instance, [TaskState.ResizeReverting], cancellationToken);
        await notifier.InstanceAsync(context, instance, ResizeEvents.RevertEnd(disks), cancellationToken);

        // (6)
        ResizeRollback.ForgetResize(instance);
        await conductor.SaveAsync(context, instance, cancellationToken);

        // (7)
        await resources.DropMoveAsync(context, instance, instance.Flavor, cancellationToken);
    }
}
