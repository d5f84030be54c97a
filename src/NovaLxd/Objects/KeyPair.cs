using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>A public key of the user.</summary>
internal sealed class KeyPair(JObject primitive) : NovaObject(primitive), INovaView<KeyPair>
{
    public static string ObjectName => "KeyPair";

    public static KeyPair View(JObject primitive) => new(primitive);

    internal string Name => GetText("name");

    internal string? UserId => GetString("user_id");

    internal string? Fingerprint => GetString("fingerprint");

    internal string? PublicKey => GetString("public_key");

    internal string Type => GetText("type");
}
