using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>A word the user put on an instance.</summary>
internal sealed class Tag(JObject primitive) : NovaObject(primitive), INovaView<Tag>
{
    public static string ObjectName => "Tag";

    public static Tag View(JObject primitive) => new(primitive);

    internal string Text => GetText("tag");
}
