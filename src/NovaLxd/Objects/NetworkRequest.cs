using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>A port or network the user asked for.</summary>
internal sealed class NetworkRequest(JObject primitive) : NovaObject(primitive), INovaView<NetworkRequest>
{
    public static string ObjectName => "NetworkRequest";

    public static NetworkRequest View(JObject primitive) => new(primitive);

    internal string? NetworkId
    {
        get => GetString("network_id");
        set => Set("network_id", value);
    }

    internal string? Address
    {
        get => GetString("address");
        set => Set("address", value);
    }

    internal string? PortId
    {
        get => GetString("port_id");
        set => Set("port_id", value);
    }

    internal string? PciRequestId
    {
        get => GetString("pci_request_id");
        set => Set("pci_request_id", value);
    }

    internal string? Tag
    {
        get => GetString("tag");
        set => Set("tag", value);
    }

    internal string? ArqUuid
    {
        get => GetString("arq_uuid");
        set => Set("arq_uuid", value);
    }

    internal string? DeviceProfile
    {
        get => GetString("device_profile");
        set => Set("device_profile", value);
    }

    /// <summary>"auto": whatever the project has, made when it has nothing.</summary>
    internal bool AutoAllocate => IsSet("network_id") && NetworkId == "auto";

    /// <summary>"none": no network at all.</summary>
    internal bool NoAllocate => IsSet("network_id") && NetworkId == "none";
}
