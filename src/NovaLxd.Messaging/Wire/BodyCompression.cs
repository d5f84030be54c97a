using System.IO.Compression;
using SharpCompress.Compressors;
using SharpCompress.Compressors.BZip2;

namespace NovaLxd.Messaging.Wire;

/// <summary>
/// Compressed bodies as kombu makes them (<c>kombu/compression.py</c>): the message header <c>compression</c> names the type. What kombu
/// calls gzip is the zlib format.
/// </summary>
internal static class BodyCompression
{
    public const string Header = "compression";
    private const string Gzip = "application/x-gzip";
    private const string Bzip2 = "application/x-bz2";

    /// <summary>The body and its header value; without <paramref name="method"/> the body as it is and null.</summary>
    public static (byte[] Body, string? Type) Compress(byte[] body, string? method)
    {
        if (string.IsNullOrEmpty(method))
        {
            return (body, null);
        }

        using var target = new MemoryStream();
        using (Stream packer = method == "bz2"
            ? BZip2Stream.Create(target, CompressionMode(compress: true), decompressConcatenated: false, leaveOpen: true)
            : new ZLibStream(target, CompressionLevel.Optimal, leaveOpen: true))
        {
            packer.Write(body);
        }

        return (target.ToArray(), method == "bz2" ? Bzip2 : Gzip);
    }

    /// <exception cref="MalformedMessageException">An unknown type, or data that is not of it.</exception>
    public static byte[] Decompress(byte[] body, string? type)
    {
        if (string.IsNullOrEmpty(type))
        {
            return body;
        }

        try
        {
            using var source = new MemoryStream(body);
            using Stream unpacker = type switch
            {
                Gzip => new ZLibStream(source, System.IO.Compression.CompressionMode.Decompress),
                Bzip2 => BZip2Stream.Create(source, CompressionMode(compress: false), decompressConcatenated: false, leaveOpen: true),
                _ => throw new MalformedMessageException($"the body is compressed as {type}, which is not supported"),
            };
            using var target = new MemoryStream();
            unpacker.CopyTo(target);
            return target.ToArray();
        }
        catch (Exception e) when (e is InvalidDataException or IOException or SharpCompress.Common.SharpCompressException)
        {
            throw new MalformedMessageException($"the body is not valid {type}: {e.Message}", e);
        }
    }

    private static SharpCompress.Compressors.CompressionMode CompressionMode(bool compress) =>
        compress ? SharpCompress.Compressors.CompressionMode.Compress : SharpCompress.Compressors.CompressionMode.Decompress;
}
