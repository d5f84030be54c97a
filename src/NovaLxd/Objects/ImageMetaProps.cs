using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>Image properties; only those that were given are set.</summary>
internal sealed class ImageMetaProps(JObject primitive) : NovaObject(primitive), INovaView<ImageMetaProps>
{
    public static string ObjectName => "ImageMetaProps";

    public static ImageMetaProps View(JObject primitive) => new(primitive);

    /// <summary>The property as text, or null when the image does not have it.</summary>
    internal string? Find(string property) => IsSet(property) ? GetString(property) : null;

    /// <summary>Names of the properties the image has.</summary>
    internal IEnumerable<string> Names => Data.Properties().Select(p => p.Name);
}
