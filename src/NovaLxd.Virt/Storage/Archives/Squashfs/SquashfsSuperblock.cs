using System.Numerics;
using static System.Buffers.Binary.BinaryPrimitives;

namespace NovaLxd.Virt.Storage.Archives.Squashfs;

internal enum SquashfsCompressor
{
    Gzip = 1,
    Lzma = 2,
    Lzo = 3,
    Xz = 4,
    Lz4 = 5,
    Zstd = 6,
}

/// <summary>The superblock of squashfs 4.0 (kernel: fs/squashfs/squashfs_fs.h); positions are bytes from the start of the image.</summary>
internal sealed record SquashfsSuperblock
{
    public const int Size = 96;

    public required uint BlockSize { get; init; }

    public required uint FragmentCount { get; init; }

    public required SquashfsCompressor Compressor { get; init; }

    public required int IdCount { get; init; }

    public required ulong RootInode { get; init; }

    public required long BytesUsed { get; init; }

    public required long IdTable { get; init; }

    /// <summary>-1: no extended attributes.</summary>
    public required long XattrTable { get; init; }

    public required long InodeTable { get; init; }

    public required long DirectoryTable { get; init; }

    public required long FragmentTable { get; init; }

    /// <param name="start">The first <see cref="Size"/> bytes.</param>
    /// <param name="length">Bytes there are in all.</param>
    /// <exception cref="ImageRejectedException"/>
    public static SquashfsSuperblock Parse(ReadOnlySpan<byte> start, long length)
    {
        if (start.Length < Size)
        {
            throw new ImageRejectedException("The squashfs image is truncated: it has no superblock.");
        }

        var (major, minor) = (ReadUInt16LittleEndian(start[28..]), ReadUInt16LittleEndian(start[30..]));
        if (major != 4 || minor != 0)
        {
            throw new ImageRejectedException($"The image is squashfs of version {major}.{minor}; version 4.0 is accepted.");
        }

        var superblock = new SquashfsSuperblock
        {
            BlockSize = ReadUInt32LittleEndian(start[12..]),
            FragmentCount = ReadUInt32LittleEndian(start[16..]),
            Compressor = (SquashfsCompressor)ReadUInt16LittleEndian(start[20..]),
            IdCount = ReadUInt16LittleEndian(start[26..]),
            RootInode = ReadUInt64LittleEndian(start[32..]),
            BytesUsed = ReadInt64LittleEndian(start[40..]),
            IdTable = ReadInt64LittleEndian(start[48..]),
            XattrTable = ReadInt64LittleEndian(start[56..]),
            InodeTable = ReadInt64LittleEndian(start[64..]),
            DirectoryTable = ReadInt64LittleEndian(start[72..]),
            FragmentTable = ReadInt64LittleEndian(start[80..]),
        };
        if (superblock.BytesUsed > length)
        {
            throw new ImageRejectedException($"The squashfs image is truncated: it should have {superblock.BytesUsed} bytes and has {length}.");
        }

        var wellFormed = superblock.BytesUsed >= Size && superblock.IdCount > 0
            && superblock.BlockSize is >= 4096 and <= 1 << 20 && BitOperations.IsPow2(superblock.BlockSize);
        return !wellFormed ? throw SquashfsImage.Damaged("its superblock makes no sense")
            : superblock.Compressor is SquashfsCompressor.Gzip or SquashfsCompressor.Xz or SquashfsCompressor.Zstd ? superblock
            : throw new ImageRejectedException(
                $"The squashfs image is compressed with {Name(superblock.Compressor)}; gzip, xz and zstd are accepted (mksquashfs -comp).");
    }

    private static string Name(SquashfsCompressor compressor) =>
        Enum.IsDefined(compressor) ? compressor.ToString().ToLowerInvariant() : $"compressor number {(int)compressor}";
}
