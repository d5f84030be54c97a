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
            await BindToThisHostAsync(context, instance, cancellationToken);
            return await RefreshAsync(context, instance, cancellationToken);
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

    /// <summary>All ports of the instance as Neutron has them now, saved.</summary>
    public async Task<NetworkInfo> RefreshAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        var cached = instance.NetworkInfo;
        var preexisting = cached.Vifs.Where(v => v.PreserveOnDelete).Select(v => v.Id).ToHashSet();
        return await ReadAndSaveAsync(context, instance, [.. cached.Vifs.Select(v => v.Id)], preexisting, cancellationToken);
    }

    /// <summary>The same, in the order in which the ports were recorded rather than the cache's: heals a cache that lost ports.</summary>
    public async Task<NetworkInfo> HealAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        await BindToThisHostAsync(context, instance, cancellationToken);
        var rows = await conductor.GetVirtualInterfacesAsync(context, instance.Uuid, cancellationToken);
        var preexisting = instance.NetworkInfo.Vifs.Where(v => v.PreserveOnDelete).Select(v => v.Id).ToHashSet();
        return await ReadAndSaveAsync(context, instance, [.. rows.Select(r => r.Uuid)], preexisting, cancellationToken);
    }

    /// <summary>One port changed in Neutron; null: all of them may have.</summary>
    public async Task RefreshPortAsync(RequestContext context, Instance instance, string? portId, CancellationToken cancellationToken)
    {
        if (portId is null)
        {
            await RefreshAsync(context, instance, cancellationToken);
            return;
        }

        // The event carries an instance as old as the message: only what the database has now may be changed.
        var cache = await conductor.GetInfoCacheAsync(context, instance.Uuid, cancellationToken);
        var known = cache.NetworkInfo;
        var vif = await reader.ReadPortAsync(context, instance, portId, known.Find(portId)?.PreserveOnDelete ?? false, cancellationToken);
        await conductor.SaveNetworkInfoAsync(context, instance, vif is null ? known.Without(portId) : known.With(vif), cancellationToken);
    }

    /// <summary>Takes a port out of the cache; null or an unknown one changes nothing.</summary>
    public async Task<NetworkInfo> ForgetPortAsync(RequestContext context, Instance instance, string? portId, CancellationToken cancellationToken)
    {
        var known = (await conductor.GetInfoCacheAsync(context, instance.Uuid, cancellationToken)).NetworkInfo;
        if (portId is null || known.Find(portId) is null)
        {
            return known;
        }

        var left = known.Without(portId);
        await conductor.SaveNetworkInfoAsync(context, instance, left, cancellationToken);
        return left;
    }

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
        return await ReadAndSaveAsync(context, instance, order, preexisting, cancellationToken);
    }

    private async Task<NetworkInfo> ReadAndSaveAsync(
        RequestContext context, Instance instance, IReadOnlyList<string> order, IReadOnlySet<string> preexisting, CancellationToken cancellationToken)
    {
        var networkInfo = await reader.ReadAsync(context, instance, order, preexisting, cancellationToken);
        await conductor.SaveNetworkInfoAsync(context, instance, networkInfo, cancellationToken);
        return networkInfo;
    }

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
