using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Virt;

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
            using var held = await locks.AcquireAsync(instance.Uuid, cancellationToken);
            await driver.DeleteAsync(Guid.Parse(instance.Uuid), cancellationToken);
            instance.Cleaned = true;
            await conductor.SaveAsync(deleted, instance, cancellationToken);
            logger.LogDebug("Deleted instance {Uuid} is cleaned", instance.Uuid);
        }
    }
}
