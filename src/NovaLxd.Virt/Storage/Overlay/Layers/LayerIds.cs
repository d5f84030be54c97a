using System.Buffers.Binary;

namespace NovaLxd.Virt.Storage.Overlay.Layers;

/// <summary>
/// Turns the ids of one container's range back into those that the guest sees, which begin with 0: of owners, and of what the kernel keeps in attributes.
/// Pure.
/// </summary>
/// <param name="First">Host id of the container's root; 0 where it has no user namespace.</param>
internal readonly record struct LayerIds(uint First)
{
    /// <summary>What a guest sees for an id it does not have (/proc/sys/kernel/overflowuid).</summary>
    public const uint Nobody = 65534;

    /// <summary>vfs_cap_data in linux/capability.h: revision in the highest byte; 2 has five words, 3 has the root id of a user namespace as a sixth.</summary>
    private const uint RevisionMask = 0xFF000000;

    private const uint Revision2 = 0x02000000;
    private const uint Revision3 = 0x03000000;
    private const int Size2 = 20;
    private const int Size3 = 24;

    /// <summary>posix_acl_xattr.h: a version, then entries of tag, permissions and id; only entries of named users and groups have one.</summary>
    private const uint AclVersion = 2;

    private const int AclHeader = 4;
    private const int AclEntry = 8;
    private const ushort AclUser = 2;
    private const ushort AclGroup = 8;

    public uint ToGuest(uint id) => id >= First && id - First <= ushort.MaxValue ? id - First : Nobody;

    /// <summary>A capability that root of the container gave is any root's; null: it is one that means nothing to the guest.</summary>
    public byte[]? Capability(ReadOnlySpan<byte> value)
    {
        if (value.Length != Size3 || (BinaryPrimitives.ReadUInt32LittleEndian(value) & RevisionMask) != Revision3)
        {
            return value.ToArray();
        }

        var root = BinaryPrimitives.ReadUInt32LittleEndian(value[Size2..]);
        if (root < First || root - First > ushort.MaxValue)
        {
            return null;
        }

        // That of a namespace inside the guest keeps its root.
        var result = value[..(root == First ? Size2 : Size3)].ToArray();
        if (root == First)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(result, (BinaryPrimitives.ReadUInt32LittleEndian(value) & ~RevisionMask) | Revision2);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(result.AsSpan(Size2), root - First);
        }

        return result;
    }

    /// <summary>Null: not an access control list of the only version there is.</summary>
    public byte[]? Acl(ReadOnlySpan<byte> value)
    {
        if (value.Length < AclHeader || (value.Length - AclHeader) % AclEntry != 0 || BinaryPrimitives.ReadUInt32LittleEndian(value) != AclVersion)
        {
            return null;
        }

        var result = value.ToArray();
        for (var entry = result.AsSpan(AclHeader); entry.Length > 0; entry = entry[AclEntry..])
        {
            if (BinaryPrimitives.ReadUInt16LittleEndian(entry) is AclUser or AclGroup)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(entry[4..], ToGuest(BinaryPrimitives.ReadUInt32LittleEndian(entry[4..])));
            }
        }

        return result;
    }
}
