using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.Neutron;
using NovaLxd.OpenStack.Neutron.Models;
using NovaLxd.Outcomes;

namespace NovaLxd.Network;

/// <summary>The ports of an instance in Neutron, and what the database keeps of them (info cache).</summary>
internal sealed class InstancePorts(
    NeutronClient neutron,
    ConductorClient conductor,
    PortAllocation allocation,
    PortRelease release,
    NetworkInfoReader reader,
    InfoCaches caches,
    ServiceOptions options,
    NetworkOptions networkOptions,
    ILogger<InstancePorts> logger)
{
    /// <summary>system_metadata: "True" while the instance has ports from an attempt on another host.</summary>
    public const string AllocatedKey = "network_allocated";

    /// <summary>
    /// Ports for a build: made and bound, or, after an attempt on another host that left its ports, bound to this one. Task state networking meanwhile.
    /// </summary>
    /// <exception cref="BuildAbortException"/>
    public async Task<NetworkInfo> PrepareAsync(
        RequestContext context,
        Instance instance,
        RequestSpec? requestSpec,
        NovaList<NetworkRequest>? requested,
        IReadOnlyList<string> securityGroups,
        CancellationToken cancellationToken)
    {
        if (instance.SystemMetadata.Find(AllocatedKey) == "True")
        {
            return await MoveHereAsync(context, instance, cancellationToken);
        }

        instance.VmState = VmState.Building;
        instance.TaskState = TaskState.Networking;
        await conductor.SaveAsync(context, instance, [null], cancellationToken);
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await AllocateAsync(context, instance, requestSpec, requested, securityGroups, cancellationToken);
            }
            catch (OpenStackException e) when (attempt < networkOptions.NetworkAllocateRetries)
            {
                logger.LogWarning(e, "Allocating the networks failed (attempt {Attempt} of {All})", attempt + 1, networkOptions.NetworkAllocateRetries + 1);
                await Task.Delay(TimeSpan.FromSeconds(Math.Min(30, 1 << attempt)), cancellationToken);
            }
            catch (OpenStackException e)
            {
                throw new BuildAbortException($"Failed to allocate the network(s), not rescheduling: {e.Message}", 500, e);
            }
        }
    }

    /// <summary>All ports of an instance that was on another host, or on none: bound to this one, and saved.</summary>
    public async Task<NetworkInfo> MoveHereAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        await BindToThisHostAsync(context, instance, cancellationToken);
        return await RefreshAsync(context, instance, cancellationToken);
    }

    /// <summary>These ports stay the instance's and leave their host.</summary>
    public Task UnbindAsync(RequestContext context, NetworkInfo networkInfo, CancellationToken cancellationToken) =>
        release.UnbindAsync(context, networkInfo.Vifs.Select(v => v.Id), cancellationToken);

    /// <summary>All ports of the instance as Neutron has them now, saved.</summary>
    public Task<NetworkInfo> RefreshAsync(RequestContext context, Instance instance, CancellationToken cancellationToken) => caches.ChangeAsync(
        context, instance, known => reader.ReadAsync(context, instance, [.. known.Vifs.Select(v => v.Id)], Preexisting(known), cancellationToken), cancellationToken);

    /// <summary>The same, in the order in which the ports were recorded rather than the cache's: heals a cache that lost ports.</summary>
    public async Task<NetworkInfo> HealAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        await BindToThisHostAsync(context, instance, cancellationToken);
        var rows = await conductor.GetVirtualInterfacesAsync(context, instance.Uuid, cancellationToken);
        return await caches.ChangeAsync(
            context, instance, known => reader.ReadAsync(context, instance, [.. rows.Select(r => r.Uuid)], Preexisting(known), cancellationToken), cancellationToken);
    }

    /// <summary>One port changed in Neutron; null: all of them may have.</summary>
    public async Task RefreshPortAsync(RequestContext context, Instance instance, string? portId, CancellationToken cancellationToken)
    {
        if (portId is null)
        {
            await RefreshAsync(context, instance, cancellationToken);
            return;
        }

        await caches.ChangeAsync(context, instance, async known =>
        {
            var vif = await reader.ReadPortAsync(context, instance, portId, known.Find(portId)?.PreserveOnDelete ?? false, cancellationToken);
            return vif is null ? known.Without(portId) : known.With(vif);
        }, cancellationToken);
    }

    /// <summary>Takes a port out of the cache; an unknown one changes nothing.</summary>
    public Task ForgetPortAsync(RequestContext context, Instance instance, string portId, CancellationToken cancellationToken) => caches.ChangeAsync(
        context, instance, known => Task.FromResult(known.Find(portId) is null ? known : known.Without(portId)), cancellationToken);

    public async Task DeallocateAsync(
        RequestContext context, Instance instance, NovaList<NetworkRequest>? requested, CancellationToken cancellationToken)
    {
        await release.ReleaseAsync(context, instance, requested, cancellationToken);
        if (instance.SystemMetadata.Find(AllocatedKey) is not null)
        {
            instance.SystemMetadata[AllocatedKey] = "False";
        }
    }

    /// <summary>access_ip_v4 and _v6 from <c>default_access_ip_network_name</c>, unless the user set them.</summary>
    public void SetAccessAddresses(Instance instance, NetworkInfo networkInfo)
    {
        if (networkOptions.DefaultAccessIpNetworkName is not { Length: > 0 } name || instance.AccessIpV4 is not null || instance.AccessIpV6 is not null)
        {
            return;
        }

        foreach (var address in networkInfo.Vifs.Where(v => v.Network?.Label == name).SelectMany(v => v.FixedIps))
        {
            if (address.Version == 4)
            {
                instance.AccessIpV4 = address.Address;
            }
            else
            {
                instance.AccessIpV6 = address.Address;
            }
        }
    }

    private async Task<NetworkInfo> AllocateAsync(
        RequestContext context, Instance instance, RequestSpec? requestSpec, NovaList<NetworkRequest>? requested, IReadOnlyList<string> securityGroups,
        CancellationToken cancellationToken)
    {
        var (order, preexisting) = await allocation.AllocateAsync(context, instance, requestSpec, requested, securityGroups, cancellationToken);
        instance.SystemMetadata[AllocatedKey] = "True";
        return await caches.ChangeAsync(context, instance, _ => reader.ReadAsync(context, instance, order, preexisting, cancellationToken), cancellationToken);
    }

    private static HashSet<string> Preexisting(NetworkInfo networkInfo) => [.. networkInfo.Vifs.Where(v => v.PreserveOnDelete).Select(v => v.Id)];

    /// <summary>Ports that another host has, or none, come here (nova/network/neutron.py:setup_instance_network_on_host).</summary>
    private async Task BindToThisHostAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        var caller = Callers.Service(context);
        foreach (var port in await neutron.ListPortsAsync(
            caller, new PortQuery { TenantId = instance.ProjectId, DeviceId = instance.Uuid }, cancellationToken))
        {
            if (port.HostId == options.Host && port.VifType is not ("unbound" or "binding_failed"))
            {
                continue;
            }

            var update = new PortUpdate { HostId = options.Host, DeviceOwner = $"compute:{instance.AvailabilityZone}" };
            await neutron.UpdatePortAsync(caller, port.Id, update, cancellationToken);
            logger.LogInformation("Port {Port} was bound to this host (it was on {Host}, {Type})", port.Id, port.HostId, port.VifType);
        }
    }
}
