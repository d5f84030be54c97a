using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>A Nova service on a host: what the service list shows.</summary>
internal sealed class Service(JObject primitive) : NovaObject(primitive), INovaView<Service>
{
    public static string ObjectName => "Service";

    public static Service View(JObject primitive) => new(primitive);

    internal int Id
    {
        get => GetInt("id") ?? 0;
        set => Set("id", value);
    }

    internal string Uuid
    {
        get => GetText("uuid");
        set => Set("uuid", value);
    }

    internal string? Host
    {
        get => GetString("host");
        set => Set("host", value);
    }

    internal string? Binary
    {
        get => GetString("binary");
        set => Set("binary", value);
    }

    internal string? Topic
    {
        get => GetString("topic");
        set => Set("topic", value);
    }

    internal int ReportCount
    {
        get => GetInt("report_count") ?? 0;
        set => Set("report_count", value);
    }

    internal bool Disabled
    {
        get => GetBool("disabled");
        set => Set("disabled", value);
    }

    internal string? DisabledReason
    {
        get => GetString("disabled_reason");
        set => Set("disabled_reason", value);
    }

    internal DateTimeOffset? LastSeenUp
    {
        get => GetTime("last_seen_up");
        set => SetTime("last_seen_up", value);
    }

    internal bool ForcedDown
    {
        get => GetBool("forced_down");
        set => Set("forced_down", value);
    }

    internal int Version
    {
        get => GetInt("version") ?? 0;
        set => Set("version", value);
    }
}
