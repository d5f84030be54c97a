using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>Certificates an image's signature must be covered by.</summary>
internal sealed class TrustedCerts(JObject primitive) : NovaObject(primitive), INovaView<TrustedCerts>
{
    public static string ObjectName => "TrustedCerts";

    public static TrustedCerts View(JObject primitive) => new(primitive);

    internal IReadOnlyList<string> Ids => GetStrings("ids");
}
