using Microsoft.Win32.SafeHandles;
using static System.Buffers.Binary.BinaryPrimitives;

namespace NovaLxd.Virt.Storage.Archives.Squashfs;

/// <summary>
/// Blocks of a squashfs image, decompressed. Every length comes from the image and is checked against what the format allows before anything is allocated.
/// </summary>
internal sealed class SquashfsImage : IDisposable
{
    public const int MetadataBlockSize = 8192;

    private const int CachedMetadataBlocks = 256;
    private const int CachedFragments = 8;

    private readonly SafeFileHandle _file;
    private readonly SquashfsDecompressor _decompressor;
    private readonly Dictionary<long, (byte[] Content, int Stored)> _metadata = [];
    private readonly Dictionary<long, byte[]> _fragments = [];

    /// <param name="file">The whole image; stays the caller's.</param>
    public SquashfsImage(SafeFileHandle file)
    {
        _file = file;
        var start = new byte[SquashfsSuperblock.Size];
        var read = RandomAccess.Read(file, start, 0);
        Superblock = SquashfsSuperblock.Parse(start.AsSpan(0, read), RandomAccess.GetLength(file));
        _decompressor = new SquashfsDecompressor(Superblock.Compressor);
    }

    public SquashfsSuperblock Superblock { get; }

    public static ImageRejectedException Damaged(string what) => new($"The squashfs image is damaged: {what}.");

    public void Dispose() => _decompressor.Dispose();

    /// <summary>Bytes as they stand in the image.</summary>
    public byte[] ReadRaw(long position, int length)
    {
        if (position < 0 || length < 0 || position > Superblock.BytesUsed - length)
        {
            throw Damaged("it points outside itself");
        }

        var buffer = new byte[length];
        for (var done = 0; done < length;)
        {
            var read = RandomAccess.Read(_file, buffer.AsSpan(done), position + done);
            done += read > 0 ? read : throw Damaged("it ends early");
        }

        return buffer;
    }

    /// <summary>A metadata block (at most 8192 bytes) and the bytes it takes in the image with its header.</summary>
    public (byte[] Content, int Stored) ReadMetadataBlock(long position)
    {
        if (_metadata.TryGetValue(position, out var known))
        {
            return known;
        }

        var header = ReadUInt16LittleEndian(ReadRaw(position, 2));
        var length = header & 0x7FFF;
        if (length is 0 or > MetadataBlockSize)
        {
            throw Damaged("a metadata block has an impossible size");
        }

        var stored = ReadRaw(position + 2, length);
        var block = ((header & 0x8000) != 0 ? stored : _decompressor.Decompress(stored, MetadataBlockSize), length + 2);
        if (_metadata.Count == CachedMetadataBlocks)
        {
            _metadata.Clear();
        }

        _metadata[position] = block;
        return block;
    }

    /// <summary>A data block or fragment block; <paramref name="size"/> as in the inode: bit 24 marks one that is stored as it is.</summary>
    public byte[] ReadDataBlock(long position, uint size)
    {
        var length = size & 0xFFFFFF;
        if (length == 0 || length > Superblock.BlockSize)
        {
            throw Damaged("a data block has an impossible size");
        }

        var stored = ReadRaw(position, (int)length);
        return (size & 0x1000000) != 0 ? stored : _decompressor.Decompress(stored, (int)Superblock.BlockSize);
    }

    /// <summary>The block that holds the ends of several files.</summary>
    public byte[] ReadFragment(uint index)
    {
        if (index >= Superblock.FragmentCount)
        {
            throw Damaged("a file has its end in a fragment that does not exist");
        }

        if (_fragments.TryGetValue(index, out var known))
        {
            return known;
        }

        // 16 bytes each: position 8, size 4, unused 4.
        var entry = TableEntry(Superblock.FragmentTable, index, 16);
        var content = ReadDataBlock(ReadInt64LittleEndian(entry), ReadUInt32LittleEndian(entry.AsSpan(8)));
        if (_fragments.Count == CachedFragments)
        {
            _fragments.Clear();
        }

        _fragments[index] = content;
        return content;
    }

    /// <summary>A numeric user or group id by its index.</summary>
    public uint ReadId(int index) =>
        index < Superblock.IdCount ? ReadUInt32LittleEndian(TableEntry(Superblock.IdTable, index, 4)) : throw Damaged("an owner is not in its table");

    /// <summary>An entry of a table whose metadata blocks are listed, by position, at <paramref name="table"/>.</summary>
    public byte[] TableEntry(long table, long index, int entrySize)
    {
        var perBlock = MetadataBlockSize / entrySize;
        var block = ReadInt64LittleEndian(ReadRaw(table + (index / perBlock * 8), 8));
        return new MetadataCursor(this, block, (int)(index % perBlock * entrySize)).Read(entrySize);
    }
}

/// <summary>Reads on through consecutive metadata blocks, which hold one stream of bytes.</summary>
internal sealed class MetadataCursor
{
    private readonly SquashfsImage _image;
    private long _next;
    private byte[] _block;
    private int _offset;

    public MetadataCursor(SquashfsImage image, long block, int offset)
    {
        _image = image;
        (_block, var stored) = image.ReadMetadataBlock(block);
        _next = block + stored;
        _offset = offset <= _block.Length ? offset : throw SquashfsImage.Damaged("it points outside a metadata block");
    }

    public byte[] Read(int length)
    {
        var result = new byte[length];
        for (var done = 0; done < length;)
        {
            if (_offset == _block.Length)
            {
                (_block, var stored) = _image.ReadMetadataBlock(_next);
                (_next, _offset) = (_next + stored, 0);
            }

            var part = Math.Min(length - done, _block.Length - _offset);
            _block.AsSpan(_offset, part).CopyTo(result.AsSpan(done));
            _offset += part;
            done += part;
        }

        return result;
    }

    public ushort ReadUInt16() => ReadUInt16LittleEndian(Read(2));

    public uint ReadUInt32() => ReadUInt32LittleEndian(Read(4));

    public ulong ReadUInt64() => ReadUInt64LittleEndian(Read(8));
}
