using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>Devices an instance asks for.</summary>
internal sealed class InstancePciRequests(JObject primitive) : NovaObject(primitive), INovaView<InstancePciRequests>
{
    public static string ObjectName => "InstancePCIRequests";

    public static InstancePciRequests View(JObject primitive) => new(primitive);

    internal string InstanceUuid
    {
        get => GetText("instance_uuid");
        set => Set("instance_uuid", value);
    }

    internal IReadOnlyList<InstancePciRequest> Requests
    {
        get => GetObjects<InstancePciRequest>("requests");
        set => SetObjects("requests", value);
    }
}

/// <summary>Devices of one sort an instance asks for.</summary>
internal sealed class InstancePciRequest(JObject primitive) : NovaObject(primitive), INovaView<InstancePciRequest>
{
    public static string ObjectName => "InstancePCIRequest";

    public static InstancePciRequest View(JObject primitive) => new(primitive);

    internal int Count => GetInt("count") ?? 0;

    internal string? AliasName => GetString("alias_name");

    internal string? RequestId => GetString("request_id");

    internal string? RequesterId => GetString("requester_id");
}

/// <summary>A device of the host.</summary>
internal sealed class PciDevice(JObject primitive) : NovaObject(primitive), INovaView<PciDevice>
{
    public static string ObjectName => "PciDevice";

    public static PciDevice View(JObject primitive) => new(primitive);

    internal int Id => GetInt("id") ?? 0;

    internal string Address => GetText("address");

    internal string Status
    {
        get => GetText("status");
        set => Set("status", value);
    }

    internal string? InstanceUuid
    {
        get => GetString("instance_uuid");
        set => Set("instance_uuid", value);
    }
}
