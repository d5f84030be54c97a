using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>The right to use a console for a while. The token itself is set by the conductor.</summary>
internal sealed class ConsoleAuthToken(JObject primitive) : NovaObject(primitive), INovaView<ConsoleAuthToken>
{
    public static string ObjectName => "ConsoleAuthToken";

    public static ConsoleAuthToken View(JObject primitive) => new(primitive);

    internal string ConsoleType
    {
        get => GetText("console_type");
        set => Set("console_type", value);
    }

    internal string Host
    {
        get => GetText("host");
        set => Set("host", value);
    }

    internal int Port
    {
        get => GetInt("port") ?? 0;
        set => Set("port", value);
    }

    internal string? InternalAccessPath
    {
        get => GetString("internal_access_path");
        set => Set("internal_access_path", value);
    }

    internal string InstanceUuid
    {
        get => GetText("instance_uuid");
        set => Set("instance_uuid", value);
    }

    internal string? AccessUrlBase
    {
        get => GetString("access_url_base");
        set => Set("access_url_base", value);
    }

    internal string Token
    {
        get => GetText("token");
        set => Set("token", value);
    }
}
