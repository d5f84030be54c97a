using System.IO.Compression;
using SharpCompress.Compressors.Xz;

namespace NovaLxd.Virt.Storage.Archives.Squashfs;

/// <summary>Decompresses single blocks; a block that yields more than it may is damaged, however much more it would yield.</summary>
internal sealed class SquashfsDecompressor(SquashfsCompressor compressor) : IDisposable
{
    private readonly ZstdSharp.Decompressor _zstd = new();

    public byte[] Decompress(byte[] stored, int maxLength)
    {
        try
        {
            return compressor switch
            {
                SquashfsCompressor.Gzip => ReadAll(new ZLibStream(new MemoryStream(stored), CompressionMode.Decompress), maxLength),
                SquashfsCompressor.Xz => ReadAll(new XZStream(new MemoryStream(stored)), maxLength),
                _ => Unwrap(stored, maxLength),
            };
        }
#pragma warning disable CA1031 // The decoders throw whatever their tables run into on hostile data; all of it means the same.
        catch (Exception e) when (e is not ImageRejectedException)
#pragma warning restore CA1031
        {
            throw new ImageRejectedException("The squashfs image is damaged: a block cannot be decompressed.", e);
        }
    }

    public void Dispose() => _zstd.Dispose();

    private static byte[] ReadAll(Stream decoder, int maxLength)
    {
        using (decoder)
        {
            var buffer = new byte[maxLength + 1];
            var length = decoder.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            return length > maxLength ? throw SquashfsImage.Damaged("a block is larger than it may be") : buffer[..length];
        }
    }

    private byte[] Unwrap(byte[] stored, int maxLength)
    {
        var buffer = new byte[maxLength];
        return buffer[.._zstd.Unwrap(stored, buffer)];
    }
}
