using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.Virt;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Periodic;

/// <summary>
/// Deletes for good what was soft-deleted longer than <c>reclaim_instance_interval</c> ago (nova/compute/manager.py:_reclaim_queued_deletes). One that resists
/// does not keep the others, and comes again.
/// </summary>
internal sealed class ReclaimQueuedDeletes(
    ConductorClient conductor, InstanceTeardown teardown, InstanceLocks locks, ResourceOptions options, ServiceOptions service, TimeProvider time,
    ILogger<ReclaimQueuedDeletes> logger)
{
    private static readonly string[] Attributes = ["metadata", "system_metadata", "info_cache", "flavor"];

    public async Task RunAsync(RequestContext context, CancellationToken cancellationToken)
    {
        if (options.ReclaimInstanceInterval <= TimeSpan.Zero)
        {
            return;
        }

        var filters = new JObject { ["vm_state"] = VmState.SoftDeleted, ["task_state"] = null, ["host"] = service.Host };
        foreach (var found in await conductor.GetInstancesByFiltersAsync(context, filters, [], cancellationToken))
        {
            using var scope = logger.BeginScope(new Logging.LogSubject(InstanceUuid: Guid.Parse(found.Uuid)));
            try
            {
                await ReclaimAsync(context, found.Uuid, cancellationToken);
            }
            catch (InstanceNotFoundException)
            {
                logger.LogDebug("The instance was deleted by somebody else meanwhile.");
            }
            catch (Exception e) when (e is OutcomeException or OpenStackException or RemoteFailureException or VirtException or KernelException or IOException)
            {
                logger.LogWarning("The soft-deleted instance could not be deleted for good, which is tried again: {Reason}", e.Message);
            }
        }
    }

    /// <summary>Read anew under its lock: it may have been restored since.</summary>
    private async Task ReclaimAsync(RequestContext context, string uuid, CancellationToken cancellationToken)
    {
        using var held = await locks.AcquireAsync(uuid, cancellationToken);
        var instance = await conductor.GetInstanceAsync(context, uuid, Attributes, cancellationToken);
        if (instance is { VmState: VmState.SoftDeleted, TaskState: null } && instance.Host == service.Host
            && (instance.DeletedAt is not { } deletedAt || time.GetUtcNow() - deletedAt > options.ReclaimInstanceInterval))
        {
            logger.LogInformation("The instance was soft-deleted at {DeletedAt:u} and is deleted for good.", instance.DeletedAt);
            await teardown.DeleteAsync(context, instance, cancellationToken);
        }
    }
}
