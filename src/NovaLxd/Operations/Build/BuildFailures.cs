using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Resources;

namespace NovaLxd.Operations.Build;

/// <summary>
/// What becomes of a build that failed (nova/compute/manager.py:_do_build_and_run_instance): given up, handed to another host, or left alone because
/// the instance is being deleted. Container and claim have been taken back by then.
/// </summary>
internal sealed class BuildFailures(
    ConductorClient conductor,
    IRpcTransport transport,
    InstancePorts ports,
    InstanceAllocations allocations,
    ResourceTracker resources,
    ServiceHost host,
    INotifier notifier,
    ILogger<BuildFailures> logger)
{
    public async Task HandleAsync(RequestContext context, BuildAndRunInstance.Request request, Exception failure, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        await notifier.InstanceAsync(context, instance, InstanceEvent.Create.Error(failure), cancellationToken);
        switch (failure)
        {
            case InstanceNotFoundException or UnexpectedDeletingTaskStateException:
                logger.LogInformation("The instance disappeared during its build: {Reason}", failure.Message);
                await ReleasePortsAsync(context, request, cancellationToken);
                await allocations.DeleteAsync(context, instance, cancellationToken);
                break;
            case BuildAbortException:
                await AbortAsync(context, request, failure, cancellationToken);
                break;
            default:
                await RescheduleAsync(context, request, failure, cancellationToken);
                break;
        }
    }

    private async Task AbortAsync(RequestContext context, BuildAndRunInstance.Request request, Exception failure, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        logger.LogError(failure, "Build aborted: {Reason}", failure.Message);
        resources.BuildFailed();
        await ReleasePortsAsync(context, request, cancellationToken);
        await conductor.CreateAsync(context, InstanceFaults.From(failure, instance.Uuid, host.Name), cancellationToken);
        await TakeOffHostAsync(context, instance, VmState.Error, null, cancellationToken);
        await allocations.DeleteAsync(context, instance, cancellationToken);
    }

    /// <summary>Without <c>retry</c> in the filter properties (max_attempts = 1, a forced host) there is no other host to try.</summary>
    private async Task RescheduleAsync(RequestContext context, BuildAndRunInstance.Request request, Exception failure, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        if (failure is not RescheduledByPolicyException)
        {
            resources.BuildFailed();
        }

        if (request.FilterProperties["retry"] is not JObject retry)
        {
            await AbortAsync(context, request, failure, cancellationToken);
            return;
        }

        logger.LogWarning(failure, "Build handed to another host: {Reason}", failure.Message);
        retry["exc"] = new JArray(failure.ToString().Split('\n').Select(l => l + "\n"));
        retry["exc_reason"] = failure.Message;
        await ReleasePortsAsync(context, request, cancellationToken);
        await conductor.CreateAsync(context, InstanceFaults.From(failure, instance.Uuid, host.Name), cancellationToken);
        await TakeOffHostAsync(context, instance, VmState.Building, TaskState.Scheduling, cancellationToken);
        await allocations.DeleteAsync(context, instance, cancellationToken);
        await transport.CastAsync(context, "conductor", null, "compute_task", "1.19", "build_instances", BuildInstances(request), cancellationToken);
    }

    /// <summary>The arguments as conductor sent them: what it knows of other hosts is in host_lists.</summary>
    private static JObject BuildInstances(BuildAndRunInstance.Request request) => new()
    {
        ["instances"] = new JArray(request.Instance.ToPrimitive()),
        ["image"] = request.Image,
        ["filter_properties"] = request.FilterProperties,
        ["admin_password"] = request.AdminPassword,
        ["injected_files"] = JArray.FromObject(request.InjectedFiles ?? []),
        ["requested_networks"] = request.RequestedNetworks?.ToPrimitive(),
        ["security_groups"] = JArray.FromObject(request.SecurityGroups ?? []),
        ["request_spec"] = request.RequestSpec.ToPrimitive(),
        ["host_lists"] = new JArray(request.HostList ?? (JToken)JValue.CreateNull()),
    };

    private async Task ReleasePortsAsync(RequestContext context, BuildAndRunInstance.Request request, CancellationToken cancellationToken)
    {
        try
        {
            await ports.DeallocateAsync(context, request.Instance, request.RequestedNetworks, cancellationToken);
        }
        catch (Exception e) when (e is OpenStack.OpenStackException or OutcomeException)
        {
            logger.LogError(e, "The ports of the failed build could not be released; they go when the instance is deleted.");
        }
    }

    private async Task TakeOffHostAsync(RequestContext context, Instance instance, string vmState, string? taskState, CancellationToken cancellationToken)
    {
        instance.PlaceOn(null, null, null);
        instance.LaunchedOn = null;
        instance.AvailabilityZone = null;
        instance.VmState = vmState;
        instance.TaskState = taskState;
        try
        {
            await conductor.SaveAsync(context, instance, cancellationToken);
        }
        catch (InstanceNotFoundException)
        {
            logger.LogInformation("The instance was deleted while its build was taken back.");
        }
    }
}
