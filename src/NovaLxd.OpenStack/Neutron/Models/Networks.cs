using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace NovaLxd.OpenStack.Neutron.Models;

/// <summary>A network; with <c>fields=</c> only what was asked for is set.</summary>
public sealed record Network
{
    public string Id { get; init; } = "";
    public string? Name { get; init; }
    public string? TenantId { get; init; }
    public string? ProjectId { get; init; }
    public bool? AdminStateUp { get; init; }
    public bool? Shared { get; init; }
    public string? Status { get; init; }

    /// <summary>Bytes.</summary>
    public int? Mtu { get; init; }

    public IReadOnlyList<string> Subnets { get; init; } = [];
    public bool? PortSecurityEnabled { get; init; }
    public string? DnsDomain { get; init; }
    public string? QosPolicyId { get; init; }

    [JsonProperty("router:external")]
    public bool? External { get; init; }

    [JsonProperty("provider:physical_network")]
    public string? PhysicalNetwork { get; init; }

    /// <summary>flat, vlan, vxlan, geneve, local ...</summary>
    [JsonProperty("provider:network_type")]
    public string? NetworkType { get; init; }

    [JsonProperty("provider:segmentation_id")]
    public int? SegmentationId { get; init; }

    /// <summary>Extension multi-provider: the segments of a network that has several.</summary>
    public IReadOnlyList<NetworkSegment>? Segments { get; init; }

    [JsonExtensionData]
    public IDictionary<string, JToken> Extra { get; init; } = new Dictionary<string, JToken>();
}

public sealed record NetworkSegment
{
    [JsonProperty("provider:physical_network")]
    public string? PhysicalNetwork { get; init; }

    [JsonProperty("provider:network_type")]
    public string? NetworkType { get; init; }

    [JsonProperty("provider:segmentation_id")]
    public int? SegmentationId { get; init; }
}

public sealed record Subnet
{
    public string Id { get; init; } = "";
    public string? Name { get; init; }
    public string? NetworkId { get; init; }
    public string Cidr { get; init; } = "";
    public string? GatewayIp { get; init; }
    public int IpVersion { get; init; } = 4;
    public bool EnableDhcp { get; init; }
    public IReadOnlyList<string> DnsNameservers { get; init; } = [];
    public IReadOnlyList<HostRoute> HostRoutes { get; init; } = [];
    public string? SegmentId { get; init; }

    [JsonProperty("ipv6_address_mode")]
    public string? Ipv6AddressMode { get; init; }

    [JsonProperty("ipv6_ra_mode")]
    public string? Ipv6RaMode { get; init; }

    [JsonExtensionData]
    public IDictionary<string, JToken> Extra { get; init; } = new Dictionary<string, JToken>();
}

public sealed record HostRoute(string Destination, string Nexthop);

public sealed record SecurityGroup(string Id, string Name);

public sealed record FloatingIp
{
    public string Id { get; init; } = "";
    public string FloatingIpAddress { get; init; } = "";
    public string? FixedIpAddress { get; init; }
    public string? FloatingNetworkId { get; init; }
    public string? PortId { get; init; }
    public string? Status { get; init; }
}

/// <summary>PUT /v2.0/floatingips/{id}; null detaches.</summary>
public sealed record FloatingIpUpdate([property: JsonProperty(NullValueHandling = NullValueHandling.Include)] string? PortId, string? FixedIpAddress = null);

public sealed record Extension(string Alias, string? Name = null);

/// <summary>GET /v2.0/auto-allocated-topology/{project}: <paramref name="Id"/> is that of the network made for the project.</summary>
public sealed record AutoAllocatedTopology(string Id, string? TenantId = null);
