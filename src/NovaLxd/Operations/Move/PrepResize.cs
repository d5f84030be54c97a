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
/// The scheduler chose this host for a resize (nova/compute/manager.py:prep_resize): makes room and sends the work to where the instance is, which has to be here.
/// <para>
/// A failure is not handed to another host as Nova does: this host's instances cannot leave it yet, so that the next host could only fail with a reason that
/// hides the first.
/// </para>
/// </summary>
internal sealed class PrepResize(
    ConductorClient conductor, ResourceTracker resources, ServerGroupPolicy serverGroups, ResizeRollback rollback, ComputeCasts compute, Leftovers leftovers,
    InstanceOptions options, INotifier notifier, ServiceHost host, TimeProvider time) : IOperation<PrepResize.Request, None>
{
    /// <summary>Said of every move that leaves a host.</summary>
    internal const string NotElsewhere = "Moving a server to another host is not supported by this compute service.";

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

    /// <summary>(1) only from this host (2) still wanted (3) allowed (4) new flavor aside (5) claim (6) on to the instance.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;

        // (1)
        if (instance.Host != host.Name)
        {
            await RefuseAsync(context, request);
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
            await rollback.GuardAsync(context, instance, request.Migration, () => PrepareAsync(context, request, cancellationToken), cancellationToken);
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
        if (flavor.Id == instance.InstanceTypeId)
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
        await compute.ResizeInstanceAsync(
            context, instance, request.Migration, request.Image, flavor, request.RequestSpec, request.CleanShutdown, cancellationToken);
    }

    /// <summary>Hands the resize to the next host of the scheduler's choice where there is one; it is not this host's server that fails.</summary>
    private async Task RefuseAsync(RequestContext context, Request request)
    {
        var failure = new NotSupportedByDriverException(NotElsewhere);
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
