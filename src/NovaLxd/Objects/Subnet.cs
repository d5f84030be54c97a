using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>A subnet with the addresses an interface has on it (nova/network/model.py, Subnet).</summary>
internal sealed record Subnet
{
    private static readonly string[] Keys = ["cidr", "dns", "gateway", "ips", "routes", "version", "meta"];

    internal string? Cidr { get; init; }

    internal IReadOnlyList<IpAddress> Dns { get; init; } = [];

    internal IpAddress? Gateway { get; init; }

    internal IReadOnlyList<FixedIp> Ips { get; init; } = [];

    internal IReadOnlyList<Route> Routes { get; init; } = [];

    /// <summary>4 or 6.</summary>
    internal int? Version { get; init; }

    /// <summary>dhcp_server, ipv6_address_mode, enable_dhcp ...</summary>
    internal JObject Meta { get; init; } = [];

    internal JObject Extra { get; init; } = [];

    internal static Subnet Parse(JObject json) => new()
    {
        Cidr = (string?)json["cidr"],
        Dns = ModelJson.List(json["dns"], IpAddress.Parse),
        Gateway = json["gateway"] is JObject gateway ? IpAddress.Parse(gateway) : null,
        Ips = ModelJson.List(json["ips"], FixedIp.Parse),
        Routes = ModelJson.List(json["routes"], Route.Parse),
        Version = (int?)json["version"],
        Meta = ModelJson.Object(json["meta"]),
        Extra = ModelJson.Others(json, Keys),
    };

    internal JObject ToJson() => ModelJson.With(Extra, new JObject
    {
        ["cidr"] = Cidr,
        ["dns"] = new JArray(Dns.Select(d => d.ToJson())),
        ["gateway"] = Gateway?.ToJson(),
        ["ips"] = new JArray(Ips.Select(i => i.ToJson())),
        ["routes"] = new JArray(Routes.Select(r => r.ToJson())),
        ["version"] = Version,
        ["meta"] = Meta.DeepClone(),
    });

    public bool Equals(Subnet? other) =>
        other is not null && Cidr == other.Cidr && Dns.SequenceEqual(other.Dns) && Equals(Gateway, other.Gateway) && Ips.SequenceEqual(other.Ips)
        && Routes.SequenceEqual(other.Routes) && Version == other.Version;

    public override int GetHashCode() => HashCode.Combine(Cidr, Version);
}
