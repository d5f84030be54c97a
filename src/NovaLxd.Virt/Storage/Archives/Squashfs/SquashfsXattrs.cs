using System.Text;
using static System.Buffers.Binary.BinaryPrimitives;

namespace NovaLxd.Virt.Storage.Archives.Squashfs;

/// <summary>The extended attributes of an image, by the index an inode carries.</summary>
internal sealed class SquashfsXattrs
{
    /// <summary>More than this for one file the kernel could not list (XATTR_LIST_MAX is 64 KiB).</summary>
    private const int MaxAttributes = 1024;

    private readonly SquashfsImage _image;
    private readonly long _pairs;
    private readonly uint _count;

    public SquashfsXattrs(SquashfsImage image)
    {
        _image = image;
        if (image.Superblock.XattrTable >= 0)
        {
            var header = image.ReadRaw(image.Superblock.XattrTable, 16);
            _pairs = ReadInt64LittleEndian(header);
            _count = ReadUInt32LittleEndian(header.AsSpan(8));
        }
    }

    public IReadOnlyList<ExtendedAttribute> Read(uint? index)
    {
        if (index is not { } wanted)
        {
            return [];
        }

        if (wanted >= _count)
        {
            throw SquashfsImage.Damaged("an attribute is not in its table");
        }

        // 16 bytes each: reference 8, count 4, size 4.
        var entry = _image.TableEntry(_image.Superblock.XattrTable + 16, wanted, 16);
        var count = ReadUInt32LittleEndian(entry.AsSpan(8));
        if (count > MaxAttributes)
        {
            throw SquashfsImage.Damaged($"a file has {count} extended attributes");
        }

        var cursor = SquashfsInode.Cursor(_image, _pairs, ReadUInt64LittleEndian(entry));
        var attributes = new List<ExtendedAttribute>();
        for (uint i = 0; i < count; i++)
        {
            var type = cursor.ReadUInt16();
            var name = Prefix(type & 0xFF) + Encoding.UTF8.GetString(cursor.Read(cursor.ReadUInt16()));
            var value = Value(cursor);
            if ((type & 0x100) != 0)
            {
                // Kept elsewhere because several files share it: this is a reference to it.
                value = value.Length == 8 ? Value(SquashfsInode.Cursor(_image, _pairs, ReadUInt64LittleEndian(value))) : throw SquashfsImage.Damaged("an attribute has no value");
            }

            attributes.Add(new ExtendedAttribute(name, value));
        }

        return attributes;
    }

    private static string Prefix(int type) => type switch
    {
        0 => "user.",
        1 => "trusted.",
        2 => "security.",
        _ => throw SquashfsImage.Damaged($"an attribute has type {type}"),
    };

    private static byte[] Value(MetadataCursor cursor) =>
        cursor.ReadUInt32() is var length and <= 64 * 1024 ? cursor.Read((int)length) : throw SquashfsImage.Damaged("an attribute is larger than it may be");
}
