using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>The network information of an instance as the API shows it: JSON in a string.</summary>
internal sealed class InstanceInfoCache(JObject primitive) : NovaObject(primitive), INovaView<InstanceInfoCache>
{
    public static string ObjectName => "InstanceInfoCache";

    public static InstanceInfoCache View(JObject primitive) => new(primitive);

    internal string InstanceUuid
    {
        get => GetText("instance_uuid");
        set => Set("instance_uuid", value);
    }

    internal string? NetworkInfoJson
    {
        get => GetString("network_info");
        set => Set("network_info", value);
    }

    /// <summary>The interfaces; writing it is a change even when nothing differs, as in Nova.</summary>
    internal NetworkInfo NetworkInfo
    {
        get => NetworkInfo.Parse(NetworkInfoJson);
        set => NetworkInfoJson = value.Serialize();
    }
}
