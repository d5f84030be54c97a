using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>What the metadata service, and a config drive, tell a guest of its devices.</summary>
internal sealed class InstanceDeviceMetadata(JObject primitive) : NovaObject(primitive), INovaView<InstanceDeviceMetadata>
{
    public static string ObjectName => "InstanceDeviceMetadata";

    public static InstanceDeviceMetadata View(JObject primitive) => new(primitive);

    /// <summary>Of several kinds.</summary>
    internal IReadOnlyList<DeviceMetadata> Devices => Get("devices") is JArray devices ? [.. devices.Cast<JObject>().Select(DeviceMetadata.Parse)] : [];
}

/// <summary>A device of whichever kind, as it was described; null is what was not said of it.</summary>
internal sealed record DeviceMetadata
{
    internal required string Kind { get; init; }

    /// <summary>On what bus of a virtual machine it is: the kind of that, and its address there.</summary>
    internal (string Kind, string? Address)? Bus { get; init; }

    internal IReadOnlyList<string>? Tags { get; init; }

    internal string? Mac { get; init; }

    internal int? Vlan { get; init; }

    internal bool IsTrusted { get; init; }

    internal JToken? Serial { get; init; }

    internal JToken? Path { get; init; }

    internal static DeviceMetadata Parse(JObject primitive)
    {
        var (kind, data) = Open(primitive);
        return new DeviceMetadata
        {
            Kind = kind,
            Bus = data["bus"] is JObject bus && Open(bus) is var (on, at) ? (on, (string?)at["address"]) : null,
            Tags = data["tags"] is JArray tags ? [.. tags.Select(tag => (string)tag!)] : null,
            Mac = (string?)data["mac"],
            Vlan = (int?)data["vlan"],
            IsTrusted = (bool?)data["vf_trusted"] ?? false,
            Serial = data["serial"]?.DeepClone(),
            Path = data["path"]?.DeepClone(),
        };
    }

    private static (string Kind, JObject Data) Open(JObject primitive) => ((string)primitive[NovaObject.NameKey]!, ModelJson.Object(primitive[NovaObject.DataKey]));
}

/// <summary>An interface with tags.</summary>
internal sealed class NetworkInterfaceMetadata(JObject primitive) : NovaObject(primitive), INovaView<NetworkInterfaceMetadata>
{
    public static string ObjectName => "NetworkInterfaceMetadata";

    public static NetworkInterfaceMetadata View(JObject primitive) => new(primitive);
}

/// <summary>A disk with tags.</summary>
internal sealed class DiskMetadata(JObject primitive) : NovaObject(primitive), INovaView<DiskMetadata>
{
    public static string ObjectName => "DiskMetadata";

    public static DiskMetadata View(JObject primitive) => new(primitive);
}

/// <summary>What EC2 would call an instance and its images.</summary>
internal sealed class Ec2Ids(JObject primitive) : NovaObject(primitive), INovaView<Ec2Ids>
{
    public static string ObjectName => "EC2Ids";

    public static Ec2Ids View(JObject primitive) => new(primitive);

    internal string? InstanceId => GetString("instance_id");

    internal string? AmiId => GetString("ami_id");

    internal string? KernelId => GetString("kernel_id");

    internal string? RamdiskId => GetString("ramdisk_id");
}
