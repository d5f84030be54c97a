using Newtonsoft.Json.Linq;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.Neutron;
using NovaLxd.OpenStack.Neutron.Models;

namespace NovaLxd.Network;

/// <summary>
/// Reads the ports of an instance from Neutron and makes Nova's network model of them (nova/network/neutron.py:_build_network_info_model and below).
/// What each port needs is asked for side by side.
/// </summary>
internal sealed class NetworkInfoReader(NeutronClient neutron, NeutronSectionOptions options)
{
    private const int DeviceNameLength = 14;

    private static readonly string[] TunnelTypes = ["vxlan", "gre", "geneve"];

    /// <param name="order">Port ids in the order the interfaces are to have; ports not named come after them.</param>
    /// <param name="preexisting">Ports that were there before the instance and outlive it.</param>
    public async Task<NetworkInfo> ReadAsync(
        RequestContext context, Instance instance, IReadOnlyList<string> order, IReadOnlySet<string> preexisting, CancellationToken cancellationToken)
    {
        var caller = Callers.Service(context);
        var ports = await neutron.ListPortsAsync(
            caller, new PortQuery { TenantId = instance.ProjectId, DeviceId = instance.Uuid }, cancellationToken);
        return new NetworkInfo(await BuildAsync(caller, Order(ports, order), preexisting, cancellationToken));
    }

    /// <summary>One port; null when it is gone or belongs to something else.</summary>
    public async Task<Vif?> ReadPortAsync(RequestContext context, Instance instance, string portId, bool preexisting, CancellationToken cancellationToken)
    {
        var caller = Callers.Service(context);
        var ports = await neutron.ListPortsAsync(
            caller, new PortQuery { TenantId = instance.ProjectId, DeviceId = instance.Uuid }, cancellationToken);
        var port = ports.Where(p => p.Id == portId).ToList();
        var vifs = await BuildAsync(caller, port, preexisting ? new HashSet<string> { portId } : new HashSet<string>(), cancellationToken);
        return vifs.Count > 0 ? vifs[0] : null;
    }

    private static List<Port> Order(IReadOnlyList<Port> ports, IReadOnlyList<string> order)
    {
        var place = order.Select((id, i) => (id, i)).DistinctBy(p => p.id).ToDictionary(p => p.id, p => p.i);
        return [.. ports.OrderBy(p => place.GetValueOrDefault(p.Id, int.MaxValue))];
    }

    private async Task<IReadOnlyList<Vif>> BuildAsync(
        OpenStackCaller caller, IReadOnlyList<Port> ports, IReadOnlySet<string> preexisting, CancellationToken cancellationToken)
    {
        if (ports.Count == 0)
        {
            return [];
        }

        var ids = ports.Select(p => p.NetworkId!).Distinct().ToList();
        var networks = (await neutron.ListNetworksAsync(caller, new NetworkQuery { Ids = ids }, cancellationToken)).ToDictionary(n => n.Id);
        var segments = (await Task.WhenAll(ids.Select(async id => (id, segment: await SegmentAsync(caller, id, cancellationToken)))))
            .ToDictionary(s => s.id, s => s.segment);
        return await Task.WhenAll(ports.Select(async port =>
        {
            var subnets = await SubnetsAsync(caller, port, cancellationToken);
            return ToVif(port, networks.GetValueOrDefault(port.NetworkId!), segments[port.NetworkId!], subnets, preexisting.Contains(port.Id));
        }));
    }

    /// <summary>Where the network meets the world: the first segment with a physical network, else the network's own.</summary>
    private async Task<(string? PhysicalNetwork, bool Tunneled)> SegmentAsync(OpenStackCaller caller, string networkId, CancellationToken cancellationToken)
    {
        if ((await neutron.GetExtensionsAsync(caller, cancellationToken)).Contains("multi-provider"))
        {
            var network = await neutron.ShowNetworkAsync(caller, networkId, ["segments"], cancellationToken);
            if (network.Segments?.FirstOrDefault(s => s.PhysicalNetwork is { Length: > 0 }) is { } segment)
            {
                return (segment.PhysicalNetwork, false);
            }
        }

        var provider = await neutron.ShowNetworkAsync(caller, networkId, ["provider:physical_network", "provider:network_type"], cancellationToken);
        return (provider.PhysicalNetwork, TunnelTypes.Contains(provider.NetworkType));
    }

    private async Task<IReadOnlyList<Objects.Subnet>> SubnetsAsync(OpenStackCaller caller, Port port, CancellationToken cancellationToken)
    {
        var subnetIds = port.FixedIps.Select(f => f.SubnetId).OfType<string>().Distinct().ToList();
        if (subnetIds.Count == 0)
        {
            return [];
        }

        var floating = Task.WhenAll(port.FixedIps.Select(async f =>
            (f.IpAddress, ips: await neutron.ListFloatingIpsAsync(
                caller, new FloatingIpQuery { FixedIpAddress = f.IpAddress, PortId = port.Id }, cancellationToken))));
        var dhcp = neutron.ListPortsAsync(caller, new PortQuery { NetworkId = port.NetworkId, DeviceOwner = "network:dhcp" }, cancellationToken);
        var subnets = await neutron.ListSubnetsAsync(caller, new SubnetQuery { Ids = subnetIds }, cancellationToken);
        var servers = (await dhcp).SelectMany(p => p.FixedIps).ToLookup(f => f.SubnetId, f => f.IpAddress);
        var floatingOf = (await floating).ToLookup(f => f.IpAddress, f => f.ips);

        // In the order of the port's addresses, as Nova keeps them.
        return [.. subnetIds.Select(id => subnets.FirstOrDefault(s => s.Id == id)).OfType<OpenStack.Neutron.Models.Subnet>()
            .Select(s => SubnetModel.From(s, servers[s.Id].FirstOrDefault(), port, floatingOf.ToDictionary(f => f.Key!, f => f.SelectMany(i => i))))];
    }

    private Vif ToVif(
        Port port, OpenStack.Neutron.Models.Network? network, (string? PhysicalNetwork, bool Tunneled) segment, IReadOnlyList<Objects.Subnet> subnets, bool preserve)
    {
        var details = port.VifDetails ?? [];
        var bridge = Bridge(port, details);
        var meta = new JObject
        {
            ["injected"] = false,
            ["tenant_id"] = network?.TenantId ?? port.TenantId,
            ["mtu"] = network?.Mtu,
            ["physical_network"] = segment.PhysicalNetwork,
            ["tunneled"] = segment.Tunneled,
        };
        if (port.VifType == "bridge")
        {
            meta["should_create_bridge"] = true;
        }

        return new Vif
        {
            Id = port.Id,
            Address = port.MacAddress,
            Network = new VifNetwork
            {
                Id = port.NetworkId,
                Bridge = bridge,
                Label = network?.Name,
                Subnets = subnets,
                Meta = meta,
            },
            Type = port.VifType,
            Details = details,
            DevName = PortSpecs.DeviceName(port.Id),
            OvsInterfaceId = port.VifType == "ovs" ? port.Id : null,
            Active = port.Status == "ACTIVE" || !port.AdminStateUp,
            VnicType = port.VnicType ?? "normal",
            Profile = port.Profile ?? [],
            PreserveOnDelete = preserve,
            DelegateCreate = true,
        };
    }

    private string? Bridge(Port port, JObject details) => port.VifType switch
    {
        "ovs" => (string?)details["bridge_name"] ?? options.OvsBridge,
        "bridge" => Cut((string?)details["bridge_name"] ?? "brq" + port.NetworkId),
        _ => null,
    };

    private static string Cut(string name) => name.Length > DeviceNameLength ? name[..DeviceNameLength] : name;
}
