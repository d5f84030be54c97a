using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Logging;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Periodic;

/// <summary>Unrescues what has been rescued for longer than <c>rescue_timeout</c> (nova/compute/manager.py:_poll_rescued_instances).</summary>
internal sealed class PollRescuedInstances(
    ConductorClient conductor, IRpcTransport transport, InstanceLocks locks, PeriodicOptions options, ServiceOptions service, TimeProvider time,
    ILogger<PollRescuedInstances> logger)
{
    private const string RpcVersion = "6.0";

    /// <summary>What the API sends along with an action.</summary>
    private static readonly string[] Attributes = ["flavor", "info_cache", "metadata", "system_metadata"];

    public async Task RunAsync(RequestContext context, CancellationToken cancellationToken)
    {
        if (options.RescueTimeout <= TimeSpan.Zero)
        {
            return;
        }

        var filters = new JObject { ["vm_state"] = VmState.Rescued, ["host"] = service.Host };
        foreach (var found in await conductor.GetInstancesByFiltersAsync(context, filters, [], cancellationToken))
        {
            using var scope = logger.BeginScope(new LogSubject(InstanceUuid: Guid.Parse(found.Uuid)));
            try
            {
                await UnrescueAsync(context, found.Uuid, cancellationToken);
            }
            catch (Exception e) when (e is OutcomeException or RemoteFailureException)
            {
                logger.LogWarning("The instance has been rescued for too long and could not be unrescued, which is tried again: {Reason}", e.Message);
            }
        }
    }

    /// <summary>As the API does it, down to the message, so that its owner finds action and event: (1) task (2) action (3) message.</summary>
    private async Task UnrescueAsync(RequestContext context, string uuid, CancellationToken cancellationToken)
    {
        using var held = await locks.AcquireAsync(uuid, cancellationToken);
        var instance = await conductor.GetInstanceAsync(context, uuid, Attributes, cancellationToken);
        if (instance is not { VmState: VmState.Rescued, TaskState: null } || instance.Host != service.Host
            || time.GetUtcNow() - instance.LaunchedAt <= options.RescueTimeout)
        {
            return;
        }

        logger.LogInformation("The instance has been rescued since {LaunchedAt:u}, which is longer than rescue_timeout; it is unrescued.", instance.LaunchedAt);
        instance.TaskState = TaskState.Unrescuing;
        await conductor.SaveAsync(context, instance, [null], cancellationToken);
        try
        {
            await conductor.ActionStartAsync(context, uuid, "unrescue", cancellationToken);
            await transport.CastAsync(
                context, "compute", service.Host, null, RpcVersion, "unrescue_instance", new JObject { ["instance"] = instance.ToPrimitive() }, cancellationToken);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // A task that nobody works on would keep its owner from the instance for ever.
            instance.TaskState = null;
            await conductor.SaveAsync(context, instance, [TaskState.Unrescuing], cancellationToken);
            throw;
        }
    }
}
