using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Resources;

namespace NovaLxd.Periodic;

/// <summary>Reads the ports of one instance a run again from Neutron, all of them in turn (nova/compute/manager.py:_heal_instance_info_cache).</summary>
internal sealed class HealInfoCache(
    ConductorClient conductor, InstancePorts ports, ControlPlane controlPlane, PeriodicOptions options, ServiceOptions service, ILogger<HealInfoCache> logger)
{
    /// <summary>From 2025.1 on Nova relies on Neutron's events alone.</summary>
    private const int FirstVersionWithoutHealing = 68;

    private static readonly string[] Attributes = ["info_cache", "system_metadata", "flavor"];

    private readonly Queue<string> _turn = new();

    public TimeSpan Interval => options.HealInstanceInfoCacheInterval
        ?? TimeSpan.FromSeconds(controlPlane.ServiceVersion >= FirstVersionWithoutHealing ? -1 : 60);

    public async Task RunAsync(RequestContext context, CancellationToken cancellationToken)
    {
        if (_turn.Count == 0)
        {
            foreach (var instance in await conductor.GetInstancesByHostAsync(context, service.Host, [], cancellationToken))
            {
                _turn.Enqueue(instance.Uuid);
            }
        }

        while (_turn.TryDequeue(out var uuid))
        {
            if (await HealAsync(context, uuid, cancellationToken))
            {
                return;
            }
        }
    }

    /// <summary>False: it is gone, moved, or something is being done to it, so that the next one's turn comes.</summary>
    private async Task<bool> HealAsync(RequestContext context, string uuid, CancellationToken cancellationToken)
    {
        try
        {
            var instance = await conductor.GetInstanceAsync(context, uuid, Attributes, cancellationToken);
            if (instance.Host != service.Host || instance.TaskState is not null || instance.VmState is VmState.Building or VmState.Error)
            {
                return false;
            }

            await ports.HealAsync(context, instance, cancellationToken);
            return true;
        }
        catch (InstanceNotFoundException)
        {
            logger.LogDebug("Instance {Uuid} is gone", uuid);
            return false;
        }
    }
}
