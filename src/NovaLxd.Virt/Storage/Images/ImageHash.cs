using System.Security.Cryptography;

namespace NovaLxd.Virt.Storage.Images;

/// <summary>Hash over exactly the bytes received, compared with what the image service promised.</summary>
internal sealed class ImageHash : IDisposable
{
    private readonly string? _expected;
    private readonly IncrementalHash? _hash;
    private readonly string? _algorithm;

    /// <exception cref="ImageRejectedException">An algorithm we do not know: unchecked content is not taken.</exception>
    public ImageHash(string? algorithm, string? expected)
    {
        if (algorithm is null || expected is null)
        {
            return;
        }

        (_algorithm, _expected) = (algorithm, expected.Trim());
        _hash = IncrementalHash.CreateHash(algorithm.ToLowerInvariant() switch
        {
            "sha512" => HashAlgorithmName.SHA512,
            "sha384" => HashAlgorithmName.SHA384,
            "sha256" => HashAlgorithmName.SHA256,
            "sha1" => HashAlgorithmName.SHA1,
            "md5" => HashAlgorithmName.MD5,
            _ => throw new ImageRejectedException($"The image cannot be checked: hash algorithm \"{algorithm}\" is none of sha512, sha384, sha256, sha1 and md5."),
        });
    }

    public long Bytes { get; private set; }

    public void Append(ReadOnlySpan<byte> data)
    {
        Bytes += data.Length;
        _hash?.AppendData(data);
    }

    /// <exception cref="ImageRejectedException">Another hash than expected.</exception>
    public void Verify()
    {
        if (_hash is null)
        {
            return;
        }

        var actual = Convert.ToHexStringLower(_hash.GetCurrentHash());
        if (!actual.Equals(_expected, StringComparison.OrdinalIgnoreCase))
        {
            throw new ImageRejectedException(
                $"The image is not what was promised: {Bytes} bytes were received whose {_algorithm} is {actual}, and {_expected} was expected.");
        }
    }

    public void Dispose() => _hash?.Dispose();
}
