using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>A security group by name or uuid; the rules are Neutron's.</summary>
internal sealed class SecurityGroup(JObject primitive) : NovaObject(primitive), INovaView<SecurityGroup>
{
    public static string ObjectName => "SecurityGroup";

    public static SecurityGroup View(JObject primitive) => new(primitive);

    internal string? GroupName => GetString("name");
}
