using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Virt;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Periodic;

/// <summary>
/// Finds containers whose instance is deleted in the database (nova/compute/manager.py:_cleanup_running_deleted_instances). A container whose instance the
/// database does not know at all is never touched: it may be another cell's.
/// </summary>
internal sealed class CleanRunningDeleted(
    ConductorClient conductor, IContainerDriver driver, InstanceLocks locks, PeriodicOptions options, ServiceOptions service, TimeProvider time,
    ILogger<CleanRunningDeleted> logger)
{
    public async Task RunAsync(RequestContext context, CancellationToken cancellationToken)
    {
        var containers = await driver.ListAsync(cancellationToken);
        if (options.RunningDeletedInstanceAction == RunningDeletedInstanceAction.Noop || containers.Count == 0)
        {
            return;
        }

        var filters = new JObject
        {
            ["deleted"] = true,
            ["soft_deleted"] = false,
            ["host"] = service.Host,
            ["uuid"] = new JArray(containers.Select(c => c.Id.ToString())),
        };
        var limit = time.GetUtcNow() - options.RunningDeletedInstanceTimeout;
        foreach (var instance in await conductor.GetInstancesByFiltersAsync(context.With("read_deleted", "yes"), filters, [], cancellationToken))
        {
            if (instance.DeletedAt is { } deletedAt && deletedAt <= limit)
            {
                try
                {
                    await CleanAsync(Guid.Parse(instance.Uuid), cancellationToken);
                }
                catch (Exception e) when (e is VirtException or KernelException or IOException)
                {
                    logger.LogWarning("The container of deleted instance {Uuid} resists, which is tried again: {Reason}", instance.Uuid, e.Message);
                }
            }
        }
    }

    private async Task CleanAsync(Guid id, CancellationToken cancellationToken)
    {
        using var scope = logger.BeginScope(new Logging.LogSubject(InstanceUuid: id));
        using var held = await locks.AcquireAsync(id.ToString(), cancellationToken);
        switch (options.RunningDeletedInstanceAction)
        {
            case RunningDeletedInstanceAction.Reap:
                logger.LogInformation("The instance is deleted and its container still here; the container is removed.");
                await driver.DeleteAsync(id, cancellationToken);
                break;
            case RunningDeletedInstanceAction.Shutdown:
                logger.LogInformation("The instance is deleted and its container still here; the container is powered off.");
                await driver.StopAsync(id, TimeSpan.Zero, cancellationToken);
                break;
            default:
                logger.LogWarning("The instance is deleted and its container still here (running_deleted_instance_action = log).");
                break;
        }
    }
}
