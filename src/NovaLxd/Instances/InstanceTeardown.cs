using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>
/// Removes an instance for good: what a delete, an interrupted delete found at start and the reclaiming of soft-deleted instances have in common
/// (nova/compute/manager.py:_delete_instance). Every step may have been done before: repeating all of it is how an interrupted delete is finished.
/// </summary>
internal sealed class InstanceTeardown(
    ConductorClient conductor,
    IContainerDriver driver,
    InstancePorts ports,
    InstanceEvents events,
    ResourceTracker resources,
    InstanceAllocations allocations,
    INotifier notifier,
    TimeProvider time,
    ILogger<InstanceTeardown> logger)
{
    /// <summary>(1) container (2) ports (3) record (4) resources (5) row.</summary>
    public async Task DeleteAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        events.Cancel(Guid.Parse(instance.Uuid));
        await notifier.InstanceAsync(context, instance, InstanceEvent.Delete.Start, cancellationToken);

        // (1) A container that cannot be killed keeps its ports: they would be given to somebody else while it still uses them.
        await notifier.InstanceAsync(context, instance, InstanceEvent.Shutdown.Start, cancellationToken);
        await driver.DeleteAsync(Guid.Parse(instance.Uuid), cancellationToken);

        // (2)
        await ports.DeallocateAsync(context, instance, null, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.Shutdown.End, cancellationToken);

        // (3)
        instance.VmState = VmState.Deleted;
        instance.TaskState = null;
        instance.PowerState = PowerState.NoState;
        instance.TerminatedAt = time.GetUtcNow();
        await conductor.SaveAsync(context, instance, cancellationToken);

        await CompleteAsync(context, instance, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.Delete.End, cancellationToken);
    }

    /// <summary>(4) and (5): also for an instance whose record says deleted while its row is still there.</summary>
    public async Task CompleteAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        await allocations.DeleteAsync(context, instance, cancellationToken);
        await resources.InstanceDeletedAsync(context, instance, cancellationToken);
        await conductor.CleanConsoleTokensAsync(context, instance.Uuid, cancellationToken);
        try
        {
            await conductor.DestroyInstanceAsync(context, instance, cancellationToken);
        }
        catch (InstanceNotFoundException)
        {
            logger.LogInformation("The instance was deleted by somebody else meanwhile.");
        }
    }
}
