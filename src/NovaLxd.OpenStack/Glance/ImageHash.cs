using System.Security.Cryptography;

namespace NovaLxd.OpenStack.Glance;

/// <summary>The bytes that arrived are not those that were uploaded.</summary>
public sealed class ImageCorruptException(string imageId, string algorithm, string expected, string actual) : OpenStackException(
    "glance", $"The data of image {imageId} does not match its {algorithm} hash: Glance says {expected}, the download has {actual}.");

/// <summary>Checks data against an image's os_hash_value, or its MD5 checksum where there is none (Glance before Rocky).</summary>
internal sealed class ImageHash : IDisposable
{
    private readonly IncrementalHash hash;
    private readonly string algorithm;
    private readonly string expected;

    private ImageHash(string algorithm, HashAlgorithmName name, string expected)
    {
        hash = IncrementalHash.CreateHash(name);
        this.algorithm = algorithm;
        this.expected = expected;
    }

    /// <summary>Null when the image has no hash, or one of an algorithm we do not know.</summary>
    public static ImageHash? For(Image image)
    {
        if (image is { OsHashAlgo: { } algorithm, OsHashValue: { } value } && Name(algorithm) is { } name)
            return new(algorithm, name, value);
        return image.Checksum is { } checksum ? new("md5", HashAlgorithmName.MD5, checksum) : null;
    }

    public void Append(ReadOnlySpan<byte> data) => hash.AppendData(data);

    public void Verify(string imageId)
    {
        var actual = Convert.ToHexStringLower(hash.GetHashAndReset());
        if (!string.Equals(actual, expected, StringComparison.OrdinalIgnoreCase))
            throw new ImageCorruptException(imageId, algorithm, expected, actual);
    }

    public void Dispose() => hash.Dispose();

    private static HashAlgorithmName? Name(string algorithm) => algorithm.ToLowerInvariant() switch
    {
        "md5" => HashAlgorithmName.MD5,
        "sha1" => HashAlgorithmName.SHA1,
        "sha256" => HashAlgorithmName.SHA256,
        "sha384" => HashAlgorithmName.SHA384,
        "sha512" => HashAlgorithmName.SHA512,
        _ => null,
    };
}
