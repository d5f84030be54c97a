using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>Servers that are to be together or apart.</summary>
internal sealed class InstanceGroup(JObject primitive) : NovaObject(primitive), INovaView<InstanceGroup>
{
    public static string ObjectName => "InstanceGroup";

    public static InstanceGroup View(JObject primitive) => new(primitive);

    internal string Uuid => GetText("uuid");

    internal string? Name => GetString("name");

    internal string? Policy => GetString("policy");

    internal IReadOnlyList<string> Members => GetStrings("members");

    internal IReadOnlyList<string> Hosts => GetStrings("hosts");

    /// <summary>Members that one host may have under anti-affinity (rule max_server_per_host).</summary>
    internal int MaxServersPerHost =>
        IsSet("_rules") && int.TryParse(Rules.Find("max_server_per_host"), System.Globalization.CultureInfo.InvariantCulture, out var most) ? most : 1;

    /// <summary>Rules of the policy ("max_server_per_host").</summary>
    internal StringMap Rules => GetMap("_rules");
}
