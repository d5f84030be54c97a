using Newtonsoft.Json.Linq;
using NovaLxd.Metadata;
using NovaLxd.Objects;

namespace NovaLxd.Tests.Metadata;

public sealed class NetworkMetadataTests
{
    private static readonly Subnet Static4 = new()
    {
        Cidr = "192.0.2.0/25",
        Version = 4,
        Gateway = Ip("192.0.2.1", 4),
        Dns = [Ip("192.0.2.53", 4), Ip("192.0.2.54", 4)],
        Ips = [new FixedIp { Address = "192.0.2.7", Version = 4, FloatingIps = [Ip("203.0.113.7", 4)] }],
        Routes = [new Route { Cidr = "198.51.100.9/24", Gateway = Ip("192.0.2.9", 4) }],
    };

    private static readonly Subnet Static6 = new()
    {
        Cidr = "2001:db8:1::/64",
        Version = 6,
        Gateway = Ip("2001:db8:1::1", 6),
        Dns = [Ip("2001:db8::53", 6)],
        Ips = [new FixedIp { Address = "2001:db8:1::7", Version = 6 }],
        Routes = [new Route { Cidr = "2001:db8:2::/48", Gateway = Ip("2001:db8:1::9", 6) }],
    };

    private static readonly Subnet Dhcp4 = Static4 with { Meta = new JObject { ["dhcp_server"] = "192.0.2.2" } };

    private static readonly Subnet Slaac = Static6 with { Meta = new JObject { ["ipv6_address_mode"] = "slaac" } };

    internal static IReadOnlyList<NetworkInfo> Networks { get; } =
    [
        Info([Static4]), Info([Static6]), Info([Slaac, Dhcp4]), Info([Static4, Static6], [Dhcp4]), Info([], [Static4 with { Gateway = null, Routes = [], Dns = [] }]),
        Info([Static4 with { Ips = [] }]), new NetworkInfo([Info([Static4]).Vifs[0] with { Type = "unbound", DevName = null }]),
    ];

    [Fact]
    public void AnInterfaceWithDhcpIsToldNothingThatDhcpTells()
    {
        var told = NetworkMetadata.From(Info([Dhcp4]));
        Assert.Equal(
            """{"id": "network0", "type": "ipv4_dhcp", "link": "tap0", "network_id": "net"}""", PythonJson.Write(Assert.Single(told["networks"]!)));
        Assert.Equal(JTokenType.Null, told["links"]![0]!["mtu"]!.Type);
        Assert.Equal(["192.0.2.53", "192.0.2.54"], told["services"]!.Select(service => (string?)service["address"]));
    }

    [Fact]
    public void OneWithoutIsToldAllOfIt()
    {
        var told = NetworkMetadata.From(Info([Static4]));
        var network = (JObject)Assert.Single(told["networks"]!);
        Assert.Equal(("ipv4", "192.0.2.7", "255.255.255.128"), ((string?)network["type"], (string?)network["ip_address"], (string?)network["netmask"]));
        Assert.Equal(
            """[{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.0.2.1"}, {"network": "198.51.100.0", "netmask": "255.255.255.0", "gateway": "192.0.2.9"}]""",
            PythonJson.Write(network["routes"]!));
        Assert.Equal(1450, (int?)told["links"]![0]!["mtu"]);
    }

    [Fact]
    public void OfBothFamiliesEachIsTold()
    {
        var told = NetworkMetadata.From(Info([Slaac, Dhcp4]));
        Assert.Equal(["ipv4_dhcp", "ipv6_slaac"], told["networks"]!.Select(network => (string?)network["type"]));
        Assert.Equal("ffff:ffff:ffff:ffff::", (string?)told["networks"]![1]!["netmask"]);
        Assert.Single(told["links"]!);
    }

    [Fact]
    public void WithoutInterfacesThereIsNothing() => Assert.Equal("{}", PythonJson.Write(NetworkMetadata.From(NetworkInfo.Empty)));

    private static NetworkInfo Info(params Subnet[][] subnetsOfEach) => new([.. subnetsOfEach.Select((subnets, number) => new Vif
    {
        Id = $"port{number}",
        Address = $"fa:16:3e:00:00:0{number}",
        Type = "bridge",
        DevName = $"tap{number}",
        Network = new VifNetwork { Id = "net", Bridge = "brq", Label = "private", Subnets = subnets, Meta = new JObject { ["mtu"] = 1450 } },
    })]);

    private static IpAddress Ip(string address, int version) => new() { Address = address, Version = version };
}
