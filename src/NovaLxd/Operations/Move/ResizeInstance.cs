using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Move;

/// <summary>
/// Powers an instance off and gives its container the new size (nova/compute/manager.py:resize_instance). The root disk is changed in place, with everything
/// on it: a resize costs no copy, and what is on the disk is the same before, during and after it. For another host the container is copied there instead.
/// </summary>
internal sealed class ResizeInstance(
    ConductorClient conductor, InstancePorts ports, MovePorts movePorts, InstanceSize size, InstancePower power, InstanceEvents events, ResizeRollback rollback,
    HostMoves moves, ComputeCasts compute, INotifier notifier, ILogger<ResizeInstance> logger) : IOperation<ResizeInstance.Request, None>
{
    internal sealed record Request(
        Instance Instance, JObject Image, Migration Migration, Flavor Flavor, bool CleanShutdown = true, RequestSpec? RequestSpec = null)
        : IInstanceRequest, IMigrationRequest;

    /// <summary>(1) still wanted (2) to another host only by the channel (3) record (4) container (5) ports (6) record (7) on to where it goes.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var (instance, migration) = (request.Instance, request.Migration);

        // (1)
        if (await rollback.IsAtAsync(context, instance, migration, TaskState.ResizePrep, cancellationToken))
        {
            await rollback.GuardAsync(context, instance, migration, () => ResizeAsync(context, request, cancellationToken), cancellationToken);
        }

        return default;
    }

    private async Task ResizeAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var (instance, migration) = (request.Instance, request.Migration);
        var leaves = HostMoves.IsMove(migration);

        // (2)
        if (leaves && moves.Closed is { } closed)
        {
            throw new NotSupportedByDriverException(closed);
        }

        // (3)
        var networkInfo = await ports.RefreshAsync(context, instance, cancellationToken);
        migration.Status = "migrating";
        await conductor.SaveAsync(context, migration, cancellationToken);
        instance.TaskState = TaskState.ResizeMigrating;
        await conductor.SaveAsync(context, instance, [TaskState.ResizePrep], cancellationToken);
        var disks = await conductor.GetBlockDevicesAsync(context, instance.Uuid, cancellationToken);
        await notifier.InstanceAsync(context, instance, ResizeEvents.Start(networkInfo, disks), cancellationToken);

        // (4)
        await size.CheckAsync(instance, instance.Flavor, request.Flavor, cancellationToken);
        await using var undo = new Undo(logger);
        if (leaves)
        {
            using var turn = await moves.EnterAsync(cancellationToken);
            await power.OffAsync(instance, request.CleanShutdown, cancellationToken);
            undo.Add("the copy of the container", _ => moves.AbandonAsync(instance, migration));
            await moves.SendAsync(instance, migration, cancellationToken);
        }
        else
        {
            await power.OffAsync(instance, request.CleanShutdown, cancellationToken);
            await size.ApplyAsync(context, instance, request.Flavor, cancellationToken);
        }

        // (5)
        await movePorts.StartAsync(context, instance, migration.DestCompute!, cancellationToken);

        // (6)
        migration.Status = "post-migrating";
        await conductor.SaveAsync(context, migration, cancellationToken);
        instance.Host = migration.DestCompute;
        instance.Node = migration.DestNode;
        instance.OldFlavor = instance.Flavor;
        instance.TaskState = TaskState.ResizeMigrated;
        await conductor.SaveAsync(context, instance, [TaskState.ResizeMigrating], cancellationToken);

        // (7)
        await compute.FinishResizeAsync(context, instance, migration, request.Image, request.RequestSpec, cancellationToken);
        undo.Keep();
        await notifier.InstanceAsync(context, instance, ResizeEvents.End(networkInfo, disks), cancellationToken);
        events.Cancel(Guid.Parse(instance.Uuid));
    }
}
