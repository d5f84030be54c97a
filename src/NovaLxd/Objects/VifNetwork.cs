using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>The network an interface is on, with the subnets it has addresses on (nova/network/model.py, Network).</summary>
internal sealed record VifNetwork
{
    private static readonly string[] Keys = ["id", "bridge", "label", "subnets", "meta"];

    internal string? Id { get; init; }

    /// <summary>The host's bridge: "br-int", or "brq" and the first 11 characters of the network's uuid.</summary>
    internal string? Bridge { get; init; }

    /// <summary>The network's name: the key under which the API shows the addresses.</summary>
    internal string? Label { get; init; }

    internal IReadOnlyList<Subnet> Subnets { get; init; } = [];

    /// <summary>injected, tenant_id, mtu, physical_network, tunneled, should_create_bridge ...</summary>
    internal JObject Meta { get; init; } = [];

    internal JObject Extra { get; init; } = [];

    internal int? Mtu => (int?)Meta["mtu"];

    internal string? PhysicalNetwork => (string?)Meta["physical_network"];

    internal bool Tunneled => (bool?)Meta["tunneled"] ?? false;

    /// <summary>Nova writes it beside the other keys and, once it has read it back, into meta.</summary>
    internal bool ShouldCreateBridge => (bool?)(Extra["should_create_bridge"] ?? Meta["should_create_bridge"]) ?? false;

    internal static VifNetwork Parse(JObject json) => new()
    {
        Id = (string?)json["id"],
        Bridge = (string?)json["bridge"],
        Label = (string?)json["label"],
        Subnets = ModelJson.List(json["subnets"], Subnet.Parse),
        Meta = ModelJson.Object(json["meta"]),
        Extra = ModelJson.Others(json, Keys),
    };

    internal JObject ToJson() => ModelJson.With(Extra, new JObject
    {
        ["id"] = Id,
        ["bridge"] = Bridge,
        ["label"] = Label,
        ["subnets"] = new JArray(Subnets.Select(s => s.ToJson())),
        ["meta"] = Meta.DeepClone(),
    });

    public bool Equals(VifNetwork? other) =>
        other is not null && Id == other.Id && Bridge == other.Bridge && Label == other.Label && Subnets.SequenceEqual(other.Subnets);

    public override int GetHashCode() => HashCode.Combine(Id, Label);
}
