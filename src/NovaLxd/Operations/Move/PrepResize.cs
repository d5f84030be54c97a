using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Resources;

namespace NovaLxd.Operations.Move;

/// <summary>
/// The scheduler chose this host for a resize or a migration (nova/compute/manager.py:prep_resize): makes room and sends the work to where the instance is.
/// <para>
/// A failure is handed to the next host of the scheduler's choice where the instance comes from another one. Where it is here, the next host could only fail with
/// a reason that hides the first.
/// </para>
/// </summary>
internal sealed class PrepResize(
    ConductorClient conductor, ResourceTracker resources, ServerGroupPolicy serverGroups, ResizeRollback rollback, HostMoves moves, ComputeCasts compute,
    Leftovers leftovers, InstanceOptions options, INotifier notifier, ServiceHost host, TimeProvider time) : IOperation<PrepResize.Request, None>
{
    internal sealed record Request(
        Instance Instance,
        Flavor Flavor,
        Migration Migration,
        JObject Image,
        RequestSpec RequestSpec,
        JObject? FilterProperties = null,
        string? Node = null,
        bool CleanShutdown = true,
        JArray? HostList = null) : IInstanceRequest, IMigrationRequest;

    /// <summary>(1) from another host only by the channel (2) still wanted (3) allowed (4) new flavor aside (5) claim (6) image (7) on to the instance.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;

        // (1)
        var comes = instance.Host != host.Name;
        if (comes && moves.Closed is { } closed)
        {
            await HandOnAsync(context, request, new NotSupportedByDriverException(closed));
            return default;
        }

        // (2)
        if (!await rollback.IsAtAsync(context, instance, request.Migration, TaskState.ResizePrep, cancellationToken))
        {
            return default;
        }

        await notifier.InstanceAsync(context, instance, InstanceEvent.Exists(AuditPeriod.Current(options.InstanceUsageAuditPeriod, time.GetUtcNow())), cancellationToken);
        await notifier.InstanceAsync(context, instance, ResizeEvents.PrepStart(request.Flavor), cancellationToken);
        try
        {
            await (comes
                ? GuardAsync(context, request, cancellationToken)
                : rollback.GuardAsync(context, instance, request.Migration, () => PrepareAsync(context, request, cancellationToken), cancellationToken));
        }
        finally
        {
            await notifier.InstanceAsync(context, instance, ResizeEvents.PrepEnd(request.Flavor), CancellationToken.None);
        }

        return default;
    }

    private async Task PrepareAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var (instance, flavor) = (request.Instance, request.Flavor);

        // (3)
        await serverGroups.CheckAsync(context, instance, request.RequestSpec, cancellationToken);
        if (flavor.Id == instance.InstanceTypeId && instance.Host == host.Name)
        {
            throw new UnableToMigrateToSelfException(instance.Uuid, host.Name);
        }

        // (4)
        instance.NewFlavor = flavor;
        instance.SystemMetadata[ResizeRollback.OldVmState] = instance.VmState;
        await conductor.SaveAsync(context, instance, [TaskState.ResizePrep], cancellationToken);

        // (5)
        await resources.ClaimMoveAsync(context, instance, flavor, request.Node, request.Migration, cancellationToken);

        // (6)
        if (instance.Host != host.Name)
        {
            await moves.EnsureImageAsync(context, instance, cancellationToken);
        }

        // (7)
        await compute.ResizeInstanceAsync(
            context, instance, request.Migration, request.Image, flavor, request.RequestSpec, request.CleanShutdown, cancellationToken);
    }

    /// <summary>The instance is on another host, where nothing has been done to it yet.</summary>
    private async Task GuardAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        try
        {
            await PrepareAsync(context, request, cancellationToken);
        }
        catch (Exception e) when (e is InstanceNotFoundException or UnexpectedDeletingTaskStateException && !cancellationToken.IsCancellationRequested)
        {
            await rollback.AbandonAsync(context, request.Migration, CancellationToken.None);
            throw;
        }
        catch (Exception e) when (e is not UnexpectedTaskStateException && !cancellationToken.IsCancellationRequested)
        {
            await moves.LeaveAsync(context, request.Instance);
            await HandOnAsync(context, request, e as OutcomeException ?? new ResizeException($"host {host.Name} cannot take it: {FaultText.Message(e)}", e));
        }
    }

    /// <summary>Hands the resize to the next host of the scheduler's choice where there is one; it is not this host's server that fails.</summary>
    private async Task HandOnAsync(RequestContext context, Request request, OutcomeException failure)
    {
        var arguments = new JObject
        {
            ["filter_properties"] = request.FilterProperties?.DeepClone(),
            ["flavor"] = request.Flavor.ToPrimitive(),
            ["clean_shutdown"] = request.CleanShutdown,
            ["request_spec"] = request.RequestSpec.ToPrimitive(),
            ["host_list"] = request.HostList?.DeepClone(),
        };
        if (!await leftovers.PrepResizeAsync(new RefusedRequest(context, request.Instance, request.Migration, arguments, failure)))
        {
            throw failure;
        }
    }
}
