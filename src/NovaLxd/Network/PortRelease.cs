using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.Neutron;
using NovaLxd.OpenStack.Neutron.Models;

namespace NovaLxd.Network;

/// <summary>Gives ports back: those made for the instance are deleted, those that were there before are unbound (nova/network/neutron.py:deallocate_for_instance).</summary>
internal sealed class PortRelease(NeutronClient neutron, ConductorClient conductor, ILogger<PortRelease> logger)
{
    /// <summary>All ports of an instance, as Neutron has them. A port that resists does not keep the others; the first failure is thrown at the end.</summary>
    public async Task ReleaseAsync(
        RequestContext context, Instance instance, NovaList<NetworkRequest>? requested, CancellationToken cancellationToken)
    {
        var ports = await neutron.ListPortsAsync(CallerFor(context), new PortQuery { DeviceId = instance.Uuid }, cancellationToken);
        var preexisting = requested?.Objects.Select(r => r.PortId).OfType<string>().ToHashSet() ?? [];
        preexisting.UnionWith(instance.NetworkInfo.Vifs.Where(v => v.PreserveOnDelete).Select(v => v.Id));
        await TakeBackAsync(context, ports.Select(p => p.Id), preexisting, cancellationToken);
        await conductor.DeleteVirtualInterfacesAsync(context, instance.Uuid, cancellationToken);
        await conductor.SaveNetworkInfoAsync(context, instance, NetworkInfo.Empty, cancellationToken);
    }

    /// <summary>These ports, of which <paramref name="preexisting"/> stay.</summary>
    public async Task TakeBackAsync(
        RequestContext context, IEnumerable<string> portIds, IReadOnlySet<string> preexisting, CancellationToken cancellationToken)
    {
        var failures = new List<OpenStackException>();
        foreach (var id in portIds.Distinct().ToList())
        {
            try
            {
                await (preexisting.Contains(id) ? UnbindAsync(context, id, cancellationToken) : neutron.DeletePortAsync(CallerFor(context), id, cancellationToken));
            }
            catch (OpenStackException e)
            {
                logger.LogError(e, "Port {Port} could not be released", id);
                failures.Add(e);
            }
        }

        if (failures.Count > 0)
        {
            throw failures[0];
        }
    }

    /// <summary>Ports that leave their host and stay their instance's. One that resists stays bound, until it is bound to the next host.</summary>
    public async Task UnbindAsync(RequestContext context, IEnumerable<string> portIds, CancellationToken cancellationToken)
    {
        var caller = Callers.Service(context);
        foreach (var id in portIds)
        {
            try
            {
                var port = await neutron.ShowPortAsync(caller, id, ["binding:profile", "network_id"], cancellationToken);
                await neutron.UpdatePortAsync(
                    caller, id, new PortUpdate { HostId = null, Profile = PortProfiles.WithoutHost(port.Profile) }, cancellationToken);
            }
            catch (OpenStackException e)
            {
                logger.LogWarning("Port {Port} could not be unbound: {Reason}", id, e.Message);
            }
        }
    }

    private async Task UnbindAsync(RequestContext context, string id, CancellationToken cancellationToken)
    {
        var caller = Callers.Service(context);
        try
        {
            var port = await neutron.ShowPortAsync(caller, id, ["binding:profile", "network_id"], cancellationToken);
            var update = new PortUpdate { DeviceId = "", DeviceOwner = "", HostId = null, Profile = PortProfiles.WithoutHost(port.Profile) };
            if ((await neutron.GetExtensionsAsync(caller, cancellationToken)).Contains("dns-integration")
                && await neutron.ShowNetworkAsync(caller, port.NetworkId!, ["dns_domain"], cancellationToken) is { DnsDomain: null or "" })
            {
                update = update with { DnsName = "" };
            }

            await neutron.UpdatePortAsync(caller, id, update, cancellationToken);
        }
        catch (NeutronException e) when (e.IsNotFound)
        {
            logger.LogDebug("Port {Port} is gone already", id);
        }
    }

    /// <summary>The user's token as far as there is one; recovery and periodic tasks have none.</summary>
    private static OpenStackCaller CallerFor(RequestContext context) =>
        context.AuthToken is null ? Callers.Service(context) : Callers.User(context);
}
