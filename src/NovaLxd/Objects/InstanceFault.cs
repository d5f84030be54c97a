using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>Why an operation on an instance failed, as `openstack server show` tells it. Message at most 255 bytes; details are for administrators.</summary>
internal sealed class InstanceFault(JObject primitive) : NovaObject(primitive), INovaView<InstanceFault>
{
    public static string ObjectName => "InstanceFault";

    public static InstanceFault View(JObject primitive) => new(primitive);

    internal int Id
    {
        get => GetInt("id") ?? 0;
        set => Set("id", value);
    }

    internal string InstanceUuid
    {
        get => GetText("instance_uuid");
        set => Set("instance_uuid", value);
    }

    internal int Code
    {
        get => GetInt("code") ?? 0;
        set => Set("code", value);
    }

    internal string? Message
    {
        get => GetString("message");
        set => Set("message", value);
    }

    internal string? Details
    {
        get => GetString("details");
        set => Set("details", value);
    }

    internal string? Host
    {
        get => GetString("host");
        set => Set("host", value);
    }
}
