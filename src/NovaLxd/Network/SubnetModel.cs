using System.Net;
using System.Net.Sockets;
using Newtonsoft.Json.Linq;
using NovaLxd.Objects;
using NovaLxd.OpenStack.Neutron.Models;

namespace NovaLxd.Network;

/// <summary>A subnet of Neutron's with a port's addresses on it, in Nova's model (nova/network/neutron.py:_get_subnets_from_port, _nw_info_get_ips). Pure.</summary>
internal static class SubnetModel
{
    public static Objects.Subnet From(
        OpenStack.Neutron.Models.Subnet subnet, string? dhcpServer, Port port, IReadOnlyDictionary<string, IEnumerable<FloatingIp>> floatingIps)
    {
        var meta = new JObject();
        if (subnet.Ipv6AddressMode is not null)
        {
            meta["ipv6_address_mode"] = subnet.Ipv6AddressMode;
        }

        // A subnet whose DHCP server has no address of its own yet is served from the gateway.
        if ((dhcpServer ?? (subnet.EnableDhcp ? subnet.GatewayIp : null)) is { } server)
        {
            meta["dhcp_server"] = server;
        }

        return new Objects.Subnet
        {
            Cidr = subnet.Cidr,
            Gateway = Ip(subnet.GatewayIp, "gateway"),
            Dns = [.. subnet.DnsNameservers.Select(d => Ip(d, "dns")!)],
            Routes = [.. subnet.HostRoutes.Select(r => new Objects.Route { Cidr = r.Destination, Gateway = Ip(r.Nexthop, "gateway") })],
            Ips = [.. port.FixedIps.Where(f => f.SubnetId == subnet.Id && f.IpAddress is not null).Select(f => Fixed(f.IpAddress!, floatingIps))],
            Version = subnet.IpVersion,
            Meta = meta,
        };
    }

    private static Objects.FixedIp Fixed(string address, IReadOnlyDictionary<string, IEnumerable<FloatingIp>> floatingIps) => new()
    {
        Address = address,
        Version = Version(address),
        FloatingIps = [.. (floatingIps.GetValueOrDefault(address) ?? []).Select(f => Ip(f.FloatingIpAddress, "floating")!)],
    };

    private static IpAddress? Ip(string? address, string type) =>
        address is null ? null : new IpAddress { Address = address, Type = type, Version = Version(address) };

    private static int? Version(string address) => IPAddress.TryParse(address, out var parsed)
        ? parsed.AddressFamily == AddressFamily.InterNetworkV6 ? 6 : 4
        : null;
}
