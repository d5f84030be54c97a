using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Objects;

namespace NovaLxd.Periodic;

/// <summary>Sets builds to error that take longer than <c>instance_build_timeout</c> (nova/compute/manager.py:_check_instance_build_time).</summary>
internal sealed class CheckBuildTimes(
    ConductorClient conductor, PeriodicOptions options, ServiceOptions service, TimeProvider time, ILogger<CheckBuildTimes> logger)
{
    public async Task RunAsync(RequestContext context, CancellationToken cancellationToken)
    {
        if (options.InstanceBuildTimeout <= TimeSpan.Zero)
        {
            return;
        }

        var filters = new JObject { ["vm_state"] = VmState.Building, ["host"] = service.Host };
        foreach (var instance in await conductor.GetInstancesByFiltersAsync(context, filters, [], cancellationToken))
        {
            if (time.GetUtcNow() - instance.CreatedAt > options.InstanceBuildTimeout)
            {
                instance.VmState = VmState.Error;
                await conductor.SaveAsync(context, instance, cancellationToken);
                logger.LogWarning("Instance {Uuid} was not built within {Limit} and is in error now", instance.Uuid, options.InstanceBuildTimeout);
            }
        }
    }
}
