using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>An address and what it is ("gateway", "dns", "fixed", "floating" or null; nova/network/model.py, IP).</summary>
internal sealed record IpAddress
{
    private static readonly string[] Keys = ["address", "type", "version", "meta"];

    internal string? Address { get; init; }

    internal string? Type { get; init; }

    internal int? Version { get; init; }

    internal JObject Meta { get; init; } = [];

    internal JObject Extra { get; init; } = [];

    internal static IpAddress Parse(JObject json) => new()
    {
        Address = (string?)json["address"],
        Type = (string?)json["type"],
        Version = (int?)json["version"],
        Meta = ModelJson.Object(json["meta"]),
        Extra = ModelJson.Others(json, Keys),
    };

    internal JObject ToJson() => ModelJson.With(Extra, new JObject
    {
        ["address"] = Address,
        ["type"] = Type,
        ["version"] = Version,
        ["meta"] = Meta.DeepClone(),
    });

    public bool Equals(IpAddress? other) => other is not null && Address == other.Address && Type == other.Type && Version == other.Version;

    public override int GetHashCode() => HashCode.Combine(Address, Type);
}

/// <summary>An address of the instance, with the floating addresses that lead to it (nova/network/model.py, FixedIP).</summary>
internal sealed record FixedIp
{
    private static readonly string[] Keys = ["address", "type", "version", "meta", "floating_ips"];

    internal string? Address { get; init; }

    internal string? Type { get; init; } = "fixed";

    internal int? Version { get; init; }

    internal JObject Meta { get; init; } = [];

    internal IReadOnlyList<IpAddress> FloatingIps { get; init; } = [];

    internal JObject Extra { get; init; } = [];

    internal static FixedIp Parse(JObject json) => new()
    {
        Address = (string?)json["address"],
        Type = (string?)json["type"],
        Version = (int?)json["version"],
        Meta = ModelJson.Object(json["meta"]),
        FloatingIps = ModelJson.List(json["floating_ips"], IpAddress.Parse),
        Extra = ModelJson.Others(json, Keys),
    };

    internal JObject ToJson() => ModelJson.With(Extra, new JObject
    {
        ["address"] = Address,
        ["type"] = Type,
        ["version"] = Version,
        ["meta"] = Meta.DeepClone(),
        ["floating_ips"] = new JArray(FloatingIps.Select(f => f.ToJson())),
    });

    public bool Equals(FixedIp? other) =>
        other is not null && Address == other.Address && Type == other.Type && Version == other.Version && FloatingIps.SequenceEqual(other.FloatingIps);

    public override int GetHashCode() => HashCode.Combine(Address, Type);
}

/// <summary>A host route of a subnet (nova/network/model.py, Route).</summary>
internal sealed record Route
{
    private static readonly string[] Keys = ["cidr", "gateway", "interface", "meta"];

    internal string? Cidr { get; init; }

    internal IpAddress? Gateway { get; init; }

    internal JToken Interface { get; init; } = JValue.CreateNull();

    internal JObject Meta { get; init; } = [];

    internal JObject Extra { get; init; } = [];

    internal static Route Parse(JObject json) => new()
    {
        Cidr = (string?)json["cidr"],
        Gateway = json["gateway"] is JObject gateway ? IpAddress.Parse(gateway) : null,
        Interface = ModelJson.Copy(json["interface"]),
        Meta = ModelJson.Object(json["meta"]),
        Extra = ModelJson.Others(json, Keys),
    };

    internal JObject ToJson() => ModelJson.With(Extra, new JObject
    {
        ["cidr"] = Cidr,
        ["gateway"] = Gateway?.ToJson(),
        ["interface"] = Interface.DeepClone(),
        ["meta"] = Meta.DeepClone(),
    });

    public bool Equals(Route? other) =>
        other is not null && Cidr == other.Cidr && Equals(Gateway, other.Gateway) && JToken.DeepEquals(Interface, other.Interface);

    public override int GetHashCode() => HashCode.Combine(Cidr);
}
