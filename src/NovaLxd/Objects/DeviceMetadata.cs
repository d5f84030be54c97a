using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>What the metadata service tells a guest of its tagged devices.</summary>
internal sealed class InstanceDeviceMetadata(JObject primitive) : NovaObject(primitive), INovaView<InstanceDeviceMetadata>
{
    public static string ObjectName => "InstanceDeviceMetadata";

    public static InstanceDeviceMetadata View(JObject primitive) => new(primitive);
}

/// <summary>One of them: an interface.</summary>
internal sealed class NetworkInterfaceMetadata(JObject primitive) : NovaObject(primitive), INovaView<NetworkInterfaceMetadata>
{
    public static string ObjectName => "NetworkInterfaceMetadata";

    public static NetworkInterfaceMetadata View(JObject primitive) => new(primitive);
}
