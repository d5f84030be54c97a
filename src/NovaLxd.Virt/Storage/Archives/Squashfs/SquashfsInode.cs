namespace NovaLxd.Virt.Storage.Archives.Squashfs;

/// <summary>An inode of any of the 14 types, read as far as unpacking needs it.</summary>
internal sealed record SquashfsInode
{
    private const uint None = 0xFFFFFFFF;

    public required EntryKind Kind { get; init; }

    public required uint Mode { get; init; }

    public required uint UserId { get; init; }

    public required uint GroupId { get; init; }

    public required uint Modified { get; init; }

    public required uint Number { get; init; }

    public uint Links { get; init; } = 1;

    /// <summary>Of a file its bytes, of a directory those of its listing and 3.</summary>
    public ulong Size { get; init; }

    /// <summary>Of a file the position of its first block, of a directory the start of its listing in the table.</summary>
    public ulong Start { get; init; }

    /// <summary>Where in the metadata block or fragment it begins.</summary>
    public uint Offset { get; init; }

    public uint? Fragment { get; init; }

    public uint? Xattr { get; init; }

    public uint Device { get; init; }

    public byte[] Target { get; init; } = [];

    /// <summary>Where the list of block sizes of a file begins.</summary>
    public MetadataCursor? BlockList { get; init; }

    /// <param name="reference">Block position within the inode table in the upper 48 bits, offset in the lower 16.</param>
    public static SquashfsInode Read(SquashfsImage image, ulong reference)
    {
        var cursor = Cursor(image, image.Superblock.InodeTable, reference);
        var type = cursor.ReadUInt16();
        var mode = cursor.ReadUInt16();
        var (user, group) = (cursor.ReadUInt16(), cursor.ReadUInt16());
        var (modified, number) = (cursor.ReadUInt32(), cursor.ReadUInt32());
        var extended = type > 7;
        var inode = new SquashfsInode
        {
            Kind = Type(type),
            Mode = mode & Kernel.FileStatus.PermissionMask,
            UserId = image.ReadId(user),
            GroupId = image.ReadId(group),
            Modified = modified,
            Number = number,
        };
        return inode.Kind switch
        {
            EntryKind.Directory => extended ? inode.ExtendedDirectory(cursor) : inode.BasicDirectory(cursor),
            EntryKind.File => extended ? inode.ExtendedFile(cursor) : inode.BasicFile(cursor),
            EntryKind.SymbolicLink => inode.SymbolicLink(cursor, extended),
            EntryKind.BlockDevice or EntryKind.CharacterDevice => inode with { Links = cursor.ReadUInt32(), Device = cursor.ReadUInt32() },
            _ => inode with { Links = cursor.ReadUInt32() },
        };
    }

    public static MetadataCursor Cursor(SquashfsImage image, long table, ulong reference) =>
        reference >> 16 <= (ulong)image.Superblock.BytesUsed
            ? new MetadataCursor(image, table + (long)(reference >> 16), (int)(reference & 0xFFFF))
            : throw SquashfsImage.Damaged("it points outside itself");

    private static EntryKind Type(ushort type) => (type > 7 ? type - 7 : type) switch
    {
        1 => EntryKind.Directory,
        2 => EntryKind.File,
        3 => EntryKind.SymbolicLink,
        4 => EntryKind.BlockDevice,
        5 => EntryKind.CharacterDevice,
        6 => EntryKind.Fifo,
        7 => EntryKind.Socket,
        _ => throw SquashfsImage.Damaged($"an inode has type {type}"),
    };

    private static uint? Index(uint value) => value == None ? null : value;

    // The members of an initializer are evaluated in the order they are written: the order on disk.
    private SquashfsInode BasicDirectory(MetadataCursor cursor) => this with
    {
        Start = cursor.ReadUInt32(),
        Links = cursor.ReadUInt32(),
        Size = cursor.ReadUInt16(),
        Offset = cursor.ReadUInt16(),
    };

    private SquashfsInode ExtendedDirectory(MetadataCursor cursor)
    {
        var inode = this with { Links = cursor.ReadUInt32(), Size = cursor.ReadUInt32(), Start = cursor.ReadUInt32() };
        cursor.Read(4 + 2); // Parent's number, count of index entries.
        return inode with { Offset = cursor.ReadUInt16(), Xattr = Index(cursor.ReadUInt32()) };
    }

    private SquashfsInode BasicFile(MetadataCursor cursor) => this with
    {
        Start = cursor.ReadUInt32(),
        Fragment = Index(cursor.ReadUInt32()),
        Offset = cursor.ReadUInt32(),
        Size = cursor.ReadUInt32(),
        BlockList = cursor,
    };

    private SquashfsInode ExtendedFile(MetadataCursor cursor)
    {
        var inode = this with { Start = cursor.ReadUInt64(), Size = cursor.ReadUInt64() };
        cursor.Read(8); // Bytes saved by holes.
        return inode with
        {
            Links = cursor.ReadUInt32(),
            Fragment = Index(cursor.ReadUInt32()),
            Offset = cursor.ReadUInt32(),
            Xattr = Index(cursor.ReadUInt32()),
            BlockList = cursor,
        };
    }

    private SquashfsInode SymbolicLink(MetadataCursor cursor, bool extended)
    {
        var links = cursor.ReadUInt32();
        var length = cursor.ReadUInt32();
        if (length > Kernel.DirectoryHandle.MaxPathLength)
        {
            throw SquashfsImage.Damaged($"a symbolic link has {length} bytes");
        }

        return this with { Links = links, Target = cursor.Read((int)length), Xattr = extended ? Index(cursor.ReadUInt32()) : null };
    }
}
