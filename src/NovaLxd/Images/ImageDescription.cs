using Newtonsoft.Json.Linq;
using NovaLxd.OpenStack.Glance;

namespace NovaLxd.Images;

/// <summary>
/// An image as Glance describes it, in the dictionary that travels with a build as in Glance's own record. Sizes: bytes; min_ram MiB, min_disk GiB.
/// </summary>
internal sealed record ImageDescription
{
    public required string Id { get; init; }

    public string? Name { get; init; }

    public string? Status { get; init; }

    public long? Size { get; init; }

    public int MinRam { get; init; }

    public int MinDisk { get; init; }

    /// <summary>"sha512" and such, with the value in hexadecimal; the older MD5 <c>checksum</c> when there is no other.</summary>
    public string? HashAlgorithm { get; init; }

    public string? HashValue { get; init; }

    /// <summary>
    /// Content key: images of equal content are unpacked once, whatever their ids are. Without a hash the id stands for the content, which Glance never
    /// changes once the image is active.
    /// </summary>
    public string Key => HashValue is null ? Id : $"{HashAlgorithm}:{HashValue}";

    /// <summary>Of Glance's own record.</summary>
    public static ImageDescription From(Image image) => new()
    {
        Id = image.Id,
        Name = image.Name,
        Status = image.Status,
        Size = image.Size,
        MinRam = image.MinRam,
        MinDisk = image.MinDisk,
        HashAlgorithm = image.OsHashValue is not null ? image.OsHashAlgo : image.Checksum is not null ? "md5" : null,
        HashValue = image.OsHashValue ?? image.Checksum,
    };

    /// <exception cref="FormatException">It has no id: there is nothing to boot from.</exception>
    public static ImageDescription Parse(JObject image)
    {
        var hash = (string?)image["os_hash_value"];
        return new ImageDescription
        {
            Id = (string?)image["id"] ?? throw new FormatException("The image has no id: booting from a volume is not supported by this service yet."),
            Name = (string?)image["name"],
            Status = (string?)image["status"],
            Size = (long?)image["size"],
            MinRam = (int?)image["min_ram"] ?? 0,
            MinDisk = (int?)image["min_disk"] ?? 0,
            HashAlgorithm = hash is not null ? (string?)image["os_hash_algo"] : image["checksum"] is { Type: JTokenType.String } ? "md5" : null,
            HashValue = hash ?? (string?)image["checksum"],
        };
    }
}
