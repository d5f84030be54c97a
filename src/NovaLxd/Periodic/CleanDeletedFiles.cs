using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Virt;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Periodic;

/// <summary>
/// Marks deleted instances whose files are gone as cleaned, after another try for those whose are not (nova/compute/manager.py:_run_pending_deletes).
/// </summary>
internal sealed class CleanDeletedFiles(
    ConductorClient conductor, IContainerDriver driver, InstanceLocks locks, ServiceOptions service, ILogger<CleanDeletedFiles> logger)
{
    public async Task RunAsync(RequestContext context, CancellationToken cancellationToken)
    {
        var filters = new JObject { ["deleted"] = true, ["soft_deleted"] = false, ["host"] = service.Host, ["cleaned"] = false };
        var deleted = context.With("read_deleted", "yes");
        foreach (var instance in await conductor.GetInstancesByFiltersAsync(deleted, filters, [], cancellationToken))
        {
            try
            {
                await CleanAsync(deleted, instance, cancellationToken);
            }
            catch (Exception e) when (e is VirtException or KernelException or IOException)
            {
                logger.LogWarning("The files of deleted instance {Uuid} could not be removed, which is tried again: {Reason}", instance.Uuid, e.Message);
            }
        }
    }

    private async Task CleanAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        using var held = await locks.AcquireAsync(instance.Uuid, cancellationToken);
        await driver.DeleteAsync(Guid.Parse(instance.Uuid), cancellationToken);
        instance.Cleaned = true;
        await conductor.SaveAsync(context, instance, cancellationToken);
        logger.LogDebug("Deleted instance {Uuid} is cleaned", instance.Uuid);
    }
}
