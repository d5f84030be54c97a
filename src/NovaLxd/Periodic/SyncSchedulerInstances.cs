using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Resources;

namespace NovaLxd.Periodic;

/// <summary>Tells the schedulers which instances are here, in case they missed a change (nova/compute/manager.py:_sync_scheduler_instance_info).</summary>
internal sealed class SyncSchedulerInstances(ConductorClient conductor, SchedulerNotifier scheduler, FilterSchedulerOptions filter, ServiceOptions options)
{
    public async Task RunAsync(RequestContext context, CancellationToken cancellationToken)
    {
        if (filter.TrackInstanceChanges)
        {
            await scheduler.InstancesAsync(context, await conductor.GetInstanceUuidsByHostAsync(context, options.Host, cancellationToken), cancellationToken);
        }
    }
}
