using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>An interface of an instance: the Neutron port and how this host is to plug it (nova/network/model.py, VIF).</summary>
internal sealed record Vif
{
    private static readonly string[] Keys =
    [
        "id", "address", "network", "type", "details", "devname", "ovs_interfaceid", "qbh_params", "qbg_params", "active", "vnic_type", "profile",
        "preserve_on_delete", "delegate_create", "meta",
    ];

    /// <summary>The port's uuid.</summary>
    internal required string Id { get; init; }

    /// <summary>MAC.</summary>
    internal string? Address { get; init; }

    internal VifNetwork? Network { get; init; }

    /// <summary>binding:vif_type: "bridge", "ovs", "unbound", "binding_failed" ...</summary>
    internal string? Type { get; init; }

    /// <summary>binding:vif_details.</summary>
    internal JObject Details { get; init; } = [];

    /// <summary>The host's device, "tap" and the first 11 characters of the port's uuid.</summary>
    internal string? DevName { get; init; }

    internal string? OvsInterfaceId { get; init; }

    internal JToken QbhParams { get; init; } = JValue.CreateNull();

    internal JToken QbgParams { get; init; } = JValue.CreateNull();

    /// <summary>Whether Neutron reported the port as ACTIVE when this was read.</summary>
    internal bool Active { get; init; }

    internal string? VnicType { get; init; } = "normal";

    /// <summary>binding:profile.</summary>
    internal JToken Profile { get; init; } = JValue.CreateNull();

    /// <summary>The port was there before the instance and outlives it.</summary>
    internal bool PreserveOnDelete { get; init; }

    internal bool DelegateCreate { get; init; }

    internal JObject Meta { get; init; } = [];

    internal JObject Extra { get; init; } = [];

    /// <summary>The fixed addresses on all subnets, in order.</summary>
    internal IEnumerable<FixedIp> FixedIps => Network?.Subnets.SelectMany(s => s.Ips) ?? [];

    internal static Vif Parse(JObject json) => new()
    {
        Id = (string?)json["id"] ?? throw new FormatException("An interface in network_info has no id."),
        Address = (string?)json["address"],
        Network = json["network"] is JObject network ? VifNetwork.Parse(network) : null,
        Type = (string?)json["type"],
        Details = ModelJson.Object(json["details"]),
        DevName = (string?)json["devname"],
        OvsInterfaceId = (string?)json["ovs_interfaceid"],
        QbhParams = ModelJson.Copy(json["qbh_params"]),
        QbgParams = ModelJson.Copy(json["qbg_params"]),
        Active = (bool?)json["active"] ?? false,
        VnicType = (string?)json["vnic_type"],
        Profile = ModelJson.Copy(json["profile"]),
        PreserveOnDelete = (bool?)json["preserve_on_delete"] ?? false,
        DelegateCreate = (bool?)json["delegate_create"] ?? false,
        Meta = ModelJson.Object(json["meta"]),
        Extra = ModelJson.Others(json, Keys),
    };

    internal JObject ToJson() => ModelJson.With(Extra, new JObject
    {
        ["id"] = Id,
        ["address"] = Address,
        ["network"] = Network?.ToJson(),
        ["type"] = Type,
        ["details"] = Details.DeepClone(),
        ["devname"] = DevName,
        ["ovs_interfaceid"] = OvsInterfaceId,
        ["qbh_params"] = QbhParams.DeepClone(),
        ["qbg_params"] = QbgParams.DeepClone(),
        ["active"] = Active,
        ["vnic_type"] = VnicType,
        ["profile"] = Profile.DeepClone(),
        ["preserve_on_delete"] = PreserveOnDelete,
        ["delegate_create"] = DelegateCreate,
        ["meta"] = Meta.DeepClone(),
    });

    public bool Equals(Vif? other) =>
        other is not null && Id == other.Id && Address == other.Address && Equals(Network, other.Network) && Type == other.Type
        && JToken.DeepEquals(Details, other.Details) && DevName == other.DevName && OvsInterfaceId == other.OvsInterfaceId
        && JToken.DeepEquals(QbhParams, other.QbhParams) && JToken.DeepEquals(QbgParams, other.QbgParams) && Active == other.Active
        && VnicType == other.VnicType && JToken.DeepEquals(Profile, other.Profile)
        && PreserveOnDelete == other.PreserveOnDelete && DelegateCreate == other.DelegateCreate;

    public override int GetHashCode() => Id.GetHashCode(StringComparison.Ordinal);
}
