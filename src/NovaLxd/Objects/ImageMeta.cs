using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>An image as Glance described it, its properties limited to the ones Nova knows. Sizes: min_ram MiB, min_disk GiB, size bytes.</summary>
internal sealed class ImageMeta(JObject primitive) : NovaObject(primitive), INovaView<ImageMeta>
{
    public static string ObjectName => "ImageMeta";

    public static ImageMeta View(JObject primitive) => new(primitive);

    internal string Id
    {
        get => GetText("id");
        set => Set("id", value);
    }

    internal string Name
    {
        get => GetText("name");
        set => Set("name", value);
    }

    internal string Status
    {
        get => GetText("status");
        set => Set("status", value);
    }

    internal string Checksum
    {
        get => GetText("checksum");
        set => Set("checksum", value);
    }

    internal string Owner
    {
        get => GetText("owner");
        set => Set("owner", value);
    }

    internal long Size
    {
        get => GetLong("size") ?? 0;
        set => Set("size", value);
    }

    internal string ContainerFormat
    {
        get => GetText("container_format");
        set => Set("container_format", value);
    }

    internal string DiskFormat
    {
        get => GetText("disk_format");
        set => Set("disk_format", value);
    }

    internal int MinRam
    {
        get => GetInt("min_ram") ?? 0;
        set => Set("min_ram", value);
    }

    internal int MinDisk
    {
        get => GetInt("min_disk") ?? 0;
        set => Set("min_disk", value);
    }

    internal ImageMetaProps? Properties
    {
        get => GetObject<ImageMetaProps>("properties");
        set => SetObject("properties", value);
    }
}
