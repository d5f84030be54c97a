using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.OpenStack.Neutron;
using NovaLxd.OpenStack.Neutron.Models;
using NovaLxd.Outcomes;

namespace NovaLxd.Network;

/// <summary>
/// Further addresses of ports that an instance has (nova/network/neutron.py: add_fixed_ip_to_instance, remove_fixed_ip_from_instance). The guest learns of
/// them as of any other: by its own configuration, or from the metadata service.
/// </summary>
internal sealed class FixedIps(NeutronClient neutron, InstancePorts ports)
{
    /// <summary>An address in the first subnet of the network that has one left, on the first port the instance has there.</summary>
    /// <exception cref="NetworkNotFoundForInstanceException">The network has no subnet, no free address, or the instance no port in it.</exception>
    public async Task<NetworkInfo> AddAsync(RequestContext context, Instance instance, string networkId, CancellationToken cancellationToken)
    {
        var caller = Callers.User(context);
        NeutronException? refusal = null;
        var subnets = await neutron.ListSubnetsAsync(caller, new SubnetQuery { NetworkId = networkId }, cancellationToken);
        foreach (var port in await neutron.ListPortsAsync(caller, new PortQuery { DeviceId = instance.Uuid, NetworkId = networkId }, cancellationToken))
        {
            foreach (var subnet in subnets)
            {
                try
                {
                    IReadOnlyList<OpenStack.Neutron.Models.FixedIp> addresses = [.. port.FixedIps, new(SubnetId: subnet.Id)];
                    await neutron.UpdatePortAsync(caller, port.Id, new PortUpdate { FixedIps = new(addresses) }, cancellationToken);
                    return await ports.RefreshAsync(context, instance, cancellationToken);
                }
                catch (NeutronException e)
                {
                    // Another port or subnet may have room.
                    refusal = e;
                }
            }
        }

        throw new NetworkNotFoundForInstanceException(
            $"Network {networkId} has no address for instance {instance.Uuid}: " +
            (refusal is not null ? refusal.Message : subnets.Count == 0 ? "it has no subnet that the user sees." : "the instance has no port in it."), refusal);
    }

    /// <exception cref="FixedIpNotFoundForInstanceException">No port of the instance has the address.</exception>
    public async Task<NetworkInfo> RemoveAsync(RequestContext context, Instance instance, string address, CancellationToken cancellationToken)
    {
        var caller = Callers.User(context);
        var found = await neutron.ListPortsAsync(caller, new PortQuery { DeviceId = instance.Uuid }, cancellationToken);
        if (found.FirstOrDefault(p => p.FixedIps.Any(f => f.IpAddress == address)) is not { } port)
        {
            throw new FixedIpNotFoundForInstanceException($"Instance {instance.Uuid} does not have fixed IP '{address}'.");
        }

        IReadOnlyList<OpenStack.Neutron.Models.FixedIp> left = [.. port.FixedIps.Where(f => f.IpAddress != address)];
        await neutron.UpdatePortAsync(caller, port.Id, new PortUpdate { FixedIps = new(left) }, cancellationToken);
        return await ports.RefreshAsync(context, instance, cancellationToken);
    }
}
