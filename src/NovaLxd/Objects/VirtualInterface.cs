using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>Nova's own record of a port of an instance; address is "MAC/port uuid" in the database and the MAC on the wire.</summary>
internal sealed class VirtualInterface(JObject primitive) : NovaObject(primitive), INovaView<VirtualInterface>
{
    public static string ObjectName => "VirtualInterface";

    public static VirtualInterface View(JObject primitive) => new(primitive);

    internal int Id
    {
        get => GetInt("id") ?? 0;
        set => Set("id", value);
    }

    internal string? Address
    {
        get => GetString("address");
        set => Set("address", value);
    }

    internal string InstanceUuid
    {
        get => GetText("instance_uuid");
        set => Set("instance_uuid", value);
    }

    /// <summary>The port's uuid.</summary>
    internal string Uuid
    {
        get => GetText("uuid");
        set => Set("uuid", value);
    }

    internal string? Tag
    {
        get => GetString("tag");
        set => Set("tag", value);
    }
}
