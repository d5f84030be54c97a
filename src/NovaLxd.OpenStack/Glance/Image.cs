using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace NovaLxd.OpenStack.Glance;

/// <summary>An image's record (Image API v2.x). Custom properties stand beside the standard ones on the wire and are kept in <see cref="Properties"/>.</summary>
public sealed record Image
{
    public string Id { get; init; } = "";
    public string? Name { get; init; }

    /// <summary>queued, saving, active, killed, deleted, pending_delete, deactivated, uploading, importing.</summary>
    public string? Status { get; init; }

    public string? DiskFormat { get; init; }
    public string? ContainerFormat { get; init; }

    /// <summary>Bytes.</summary>
    public long? Size { get; init; }

    /// <summary>Bytes.</summary>
    public long? VirtualSize { get; init; }

    /// <summary>GiB.</summary>
    public int MinDisk { get; init; }

    /// <summary>MiB.</summary>
    public int MinRam { get; init; }

    /// <summary>MD5, hexadecimal.</summary>
    public string? Checksum { get; init; }

    public string? OsHashAlgo { get; init; }

    /// <summary>Hexadecimal.</summary>
    public string? OsHashValue { get; init; }

    public bool? OsHidden { get; init; }
    public string? Visibility { get; init; }
    public bool? Protected { get; init; }
    public string? Owner { get; init; }
    public string? CreatedAt { get; init; }
    public string? UpdatedAt { get; init; }
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Everything else: hw_*, os_*, image_type, instance_uuid, direct_url ...</summary>
    [JsonExtensionData]
    public IDictionary<string, JToken> Properties { get; init; } = new Dictionary<string, JToken>();
}

/// <summary>One operation of a JSON patch: add, replace or remove; <paramref name="Path"/> is "/" and the property's name.</summary>
public sealed record ImageChange(string Op, string Path, [property: JsonProperty(NullValueHandling = NullValueHandling.Ignore)] JToken? Value = null)
{
    /// <summary>Sets a property, whether it is there or not.</summary>
    public static ImageChange Set(string property, JToken value) => new("add", Pointer(property), value);

    public static ImageChange Remove(string property) => new("remove", Pointer(property));

    /// <summary>RFC 6901.</summary>
    private static string Pointer(string property) =>
        "/" + property.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
}

/// <summary>GET /v2/images: a page, <paramref name="Next"/> leads to the following one.</summary>
public sealed record ImagePage(IReadOnlyList<Image> Images, string? Next = null);
