using System.Globalization;
using System.Net;
using Newtonsoft.Json.Linq;
using NovaLxd.Objects;

namespace NovaLxd.Metadata;

/// <summary>
/// network_data.json: the interfaces as a guest is to set them up (nova/virt/netutils.py:get_network_metadata). As in Nova, of each interface's network the
/// first subnet of either family. Pure.
/// </summary>
internal static class NetworkMetadata
{
    private static readonly string[] TypesTold = ["bridge", "dvs", "hw_veb", "hyperv", "ovs", "tap", "vhostuser", "vif"];

    private static readonly int[] Families = [4, 6];

    public static JObject From(NetworkInfo networkInfo)
    {
        if (networkInfo.Vifs.Count == 0)
        {
            return [];
        }

        var (links, networks, services) = (new JArray(), new JArray(), new JArray());
        foreach (var vif in networkInfo.Vifs.Where(vif => vif.Network is { Subnets.Count: > 0 }))
        {
            var subnets = Families.Select(version => vif.Network!.Subnets.FirstOrDefault(subnet => subnet.Version == version)).OfType<Subnet>().ToList();
            if (subnets.Count == 0)
            {
                continue;
            }

            var link = Link(vif, links.Count);
            links.Add(link);
            foreach (var subnet in subnets.Where(subnet => subnet.Ips.Count > 0))
            {
                networks.Add(Network(vif, subnet, networks.Count, (string)link["id"]!));
                foreach (var server in Dns(subnet).Where(server => !services.Any(known => JToken.DeepEquals(known, server))).ToList())
                {
                    services.Add(server);
                }
            }
        }

        return new JObject { ["links"] = links, ["networks"] = networks, ["services"] = services };
    }

    private static JObject Link(Vif vif, int number) => new()
    {
        ["id"] = vif.DevName is { Length: > 0 } name ? name : $"interface{number}",
        ["vif_id"] = vif.Id,
        ["type"] = TypesTold.Contains(vif.Type) ? vif.Type : "phy",

        // DHCP tells it.
        ["mtu"] = vif.Network!.Subnets.Any(HasDhcp) ? null : vif.Network.Meta["mtu"]?.DeepClone(),
        ["ethernet_mac_address"] = vif.Address,
    };

    private static JObject Network(Vif vif, Subnet subnet, int number, string link)
    {
        var network = new JObject { ["id"] = $"network{number}" };
        var mode = subnet.Meta["ipv6_address_mode"] is { Type: not JTokenType.Null } given ? $"_{given}" : "";
        if (mode.Length == 0 && subnet.Meta["dhcp_server"] is { Type: not JTokenType.Null })
        {
            network["type"] = $"ipv{subnet.Version}_dhcp";
            network["link"] = link;
            network["network_id"] = vif.Network!.Id;
            return network;
        }

        network["type"] = $"ipv{subnet.Version}{mode}";
        network["link"] = link;
        network["ip_address"] = subnet.Ips[0].Address;
        network["netmask"] = Parse(subnet.Cidr!).Mask.ToString();
        network["routes"] = Routes(subnet);
        network["network_id"] = vif.Network!.Id;
        network["services"] = new JArray(Dns(subnet));
        return network;
    }

    private static JArray Routes(Subnet subnet)
    {
        var routes = new JArray();
        if (subnet.Gateway?.Address is { Length: > 0 } gateway)
        {
            var anywhere = subnet.Version == 4 ? "0.0.0.0" : "::";
            routes.Add(new JObject { ["network"] = anywhere, ["netmask"] = anywhere, ["gateway"] = gateway });
        }

        foreach (var route in subnet.Routes)
        {
            var (network, mask) = Parse(route.Cidr!);
            routes.Add(new JObject { ["network"] = network.ToString(), ["netmask"] = mask.ToString(), ["gateway"] = route.Gateway?.Address });
        }

        return routes;
    }

    private static IEnumerable<JObject> Dns(Subnet subnet) => subnet.Dns.Select(server => new JObject { ["type"] = "dns", ["address"] = server.Address });

    private static bool HasDhcp(Subnet subnet) => subnet.Meta["dhcp_server"] is JValue { Value: string { Length: > 0 } };

    /// <summary>Network and mask; Neutron may have the one with bits behind the prefix, which System.Net.IPNetwork refuses.</summary>
    private static (IPAddress Network, IPAddress Mask) Parse(string cidr)
    {
        var parts = cidr.Split('/');
        var address = IPAddress.Parse(parts[0]).GetAddressBytes();
        var length = parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : address.Length * 8;
        var mask = new byte[address.Length];
        for (var bit = 0; bit < length; bit++)
        {
            mask[bit / 8] |= (byte)(0x80 >> (bit % 8));
        }

        return (new IPAddress([.. address.Zip(mask, (octet, bits) => (byte)(octet & bits))]), new IPAddress(mask));
    }
}
