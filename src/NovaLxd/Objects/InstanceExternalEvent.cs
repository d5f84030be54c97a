using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>News of an instance from Neutron or Cinder.</summary>
internal sealed class InstanceExternalEvent(JObject primitive) : NovaObject(primitive), INovaView<InstanceExternalEvent>
{
    public static string ObjectName => "InstanceExternalEvent";

    public static InstanceExternalEvent View(JObject primitive) => new(primitive);

    internal string InstanceUuid => GetText("instance_uuid");

    internal string Name => GetText("name");

    internal string Status => GetText("status");

    /// <summary>Which port or volume; null when the event is about the whole instance.</summary>
    internal string? Tag => IsSet("tag") ? GetString("tag") : null;
}
