using Newtonsoft.Json.Linq;
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
/// Makes the new flavor the instance's and powers it on again, if it was on (nova/compute/manager.py:finish_resize). From then on it waits for its owner to
/// confirm or to revert.
/// </summary>
internal sealed class FinishResize(
    ConductorClient conductor, InstancePorts ports, MovePorts movePorts, InstanceSize size, InstancePower power, PowerStates powerStates, ResizeRollback rollback,
    HostMoves moves, ResourceTracker resources, INotifier notifier, ServiceHost host, TimeProvider time) : IOperation<FinishResize.Request, None>
{
    internal sealed record Request(Instance Instance, Migration Migration, JToken? DiskInfo = null, JObject? Image = null, RequestSpec? RequestSpec = null)
        : IInstanceRequest, IMigrationRequest;

    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var (instance, migration) = (request.Instance, request.Migration);
        if (await rollback.IsAtAsync(context, instance, migration, TaskState.ResizeMigrated, cancellationToken))
        {
            await FinishAsync(context, instance, migration, starting: false, cancellationToken);
        }

        return default;
    }

    /// <summary>
    /// (1) flavor, unless a killed service had got that far (2) container (3) record (4) usage. What fails is taken back where the instance is on its own host, and
    /// handed back where it came from another.
    /// </summary>
    /// <param name="context">Who asks.</param>
    /// <param name="instance">The instance.</param>
    /// <param name="migration">Its move.</param>
    /// <param name="starting">Whether the service starts, and takes no messages yet.</param>
    /// <param name="cancellationToken">The service stops.</param>
    public Task FinishAsync(RequestContext context, Instance instance, Migration migration, bool starting, CancellationToken cancellationToken)
    {
        var came = HostMoves.IsMove(migration);
        return came
            ? moves.GuardAsync(context, instance, migration, Step, cancellationToken)
            : rollback.GuardAsync(context, instance, migration, Step, cancellationToken);

        async Task Step()
        {
            // (1)
            if (instance.TaskState == TaskState.ResizeMigrated)
            {
                await TakeFlavorAsync(context, instance, migration, cancellationToken);
            }

            var networkInfo = instance.NetworkInfo;
            var disks = await conductor.GetBlockDevicesAsync(context, instance.Uuid, cancellationToken);
            await notifier.InstanceAsync(context, instance, ResizeEvents.FinishStart(networkInfo, disks), cancellationToken);

            // (2)
            await size.ApplyAsync(context, instance, instance.Flavor, cancellationToken);
            if (instance.SystemMetadata.Find(ResizeRollback.OldVmState) != VmState.Stopped)
            {
                await (came ? moves.StartAsync(context, instance, wait: !starting, cancellationToken) : power.OnAsync(context, instance, networkInfo, cancellationToken));
            }

            // (3)
            migration.Status = "finished";
            await conductor.SaveAsync(context, migration, cancellationToken);
            instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
            instance.VmState = VmState.Resized;
            instance.TaskState = null;
            instance.LaunchedAt = time.GetUtcNow();
            await conductor.SaveAsync(context, instance, [TaskState.ResizeFinish], cancellationToken);

            // (4)
            await (came ? moves.SettleAsync(context, instance, cancellationToken) : resources.InstanceChangedAsync(context, instance, cancellationToken));
            await notifier.InstanceAsync(context, instance, ResizeEvents.FinishEnd(networkInfo, disks), cancellationToken);
        }
    }

    private async Task TakeFlavorAsync(RequestContext context, Instance instance, Migration migration, CancellationToken cancellationToken)
    {
        instance.OldFlavor = instance.Flavor;
        InstanceSize.SetFlavor(instance, instance.NewFlavor ?? throw new ResizeException("its record lost the new flavor"));
        ResourceTracker.ApplyContext(instance, "new_");
        await movePorts.FinishAsync(context, instance, migration.DestCompute ?? host.Name, cancellationToken);
        await ports.RefreshAsync(context, instance, cancellationToken);
        instance.TaskState = TaskState.ResizeFinish;
        await conductor.SaveAsync(context, instance, [TaskState.ResizeMigrated], cancellationToken);
    }
}
