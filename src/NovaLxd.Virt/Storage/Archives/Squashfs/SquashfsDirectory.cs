using NovaLxd.Virt.Kernel;
using static System.Buffers.Binary.BinaryPrimitives;

namespace NovaLxd.Virt.Storage.Archives.Squashfs;

/// <summary>Walks the listing of one directory: headers with up to 256 entries each, in a stream of metadata blocks. Nothing is read ahead.</summary>
internal sealed class SquashfsDirectory
{
    private readonly byte[] _path;
    private readonly MetadataCursor? _cursor;
    private long _left;
    private long _entries;
    private ulong _block;

    public SquashfsDirectory(SquashfsImage image, SquashfsInode inode, byte[] path)
    {
        _path = path;

        // The size counts "." and "..", which are not stored, with 3 bytes.
        _left = Math.Max(0, (long)inode.Size - 3);
        _cursor = _left == 0 ? null : SquashfsInode.Cursor(image, image.Superblock.DirectoryTable, (inode.Start << 16) | inode.Offset);
    }

    /// <param name="path">Path of the next entry from the root of the image.</param>
    /// <param name="inode">Reference to its inode.</param>
    public bool TryNext(out byte[] path, out ulong inode)
    {
        (path, inode) = ([], 0);
        if (_left <= 0 || _cursor is null)
        {
            return false;
        }

        if (_entries == 0)
        {
            // Count less one 4, block of the inodes 4, number of the first inode 4.
            var header = _cursor.Read(12);
            _left -= header.Length;
            _entries = ReadUInt32LittleEndian(header) + 1L;
            _block = ReadUInt32LittleEndian(header.AsSpan(4));
        }

        // Offset of the inode 2, difference to the number in the header 2, type 2, length of the name less one 2.
        var entry = _cursor.Read(8);
        var length = ReadUInt16LittleEndian(entry.AsSpan(6)) + 1;
        _left -= entry.Length + length;
        _entries--;
        if (_left < 0 || _entries > 255 || length > DirectoryHandle.MaxNameLength || _path.Length > DirectoryHandle.MaxPathLength)
        {
            throw Impossible();
        }

        var name = _cursor.Read(length);
        if (name.Contains((byte)'/') || name.Contains((byte)0) || name is [(byte)'.'] or [(byte)'.', (byte)'.'])
        {
            throw Impossible();
        }

        path = _path.Length == 0 ? name : [.. _path, (byte)'/', .. name];
        inode = (_block << 16) | ReadUInt16LittleEndian(entry);
        return true;
    }

    private static ImageRejectedException Impossible() => SquashfsImage.Damaged("a directory has an impossible entry");
}
