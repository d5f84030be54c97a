using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>A port or network the user asked for. What Nova has left out, as it does with all but the network of "auto" and "none", is null.</summary>
internal sealed class NetworkRequest(JObject primitive) : NovaObject(primitive), INovaView<NetworkRequest>
{
    public static string ObjectName => "NetworkRequest";

    public static NetworkRequest View(JObject primitive) => new(primitive);

    internal string? NetworkId
    {
        get => Optional("network_id");
        set => Set("network_id", value);
    }

    internal string? Address
    {
        get => Optional("address");
        set => Set("address", value);
    }

    internal string? PortId
    {
        get => Optional("port_id");
        set => Set("port_id", value);
    }

    internal string? PciRequestId
    {
        get => Optional("pci_request_id");
        set => Set("pci_request_id", value);
    }

    internal string? Tag
    {
        get => Optional("tag");
        set => Set("tag", value);
    }

    internal string? ArqUuid
    {
        get => Optional("arq_uuid");
        set => Set("arq_uuid", value);
    }

    internal string? DeviceProfile
    {
        get => Optional("device_profile");
        set => Set("device_profile", value);
    }

    /// <summary>"auto": whatever the project has, made when it has nothing.</summary>
    internal bool AutoAllocate => NetworkId == "auto";

    /// <summary>"none": no network at all.</summary>
    internal bool NoAllocate => NetworkId == "none";

    private string? Optional(string field) => IsSet(field) ? GetString(field) : null;
}
