using System.Buffers.Binary;
using System.Runtime.InteropServices;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Storage;

/// <summary>
/// Gives a tree that belongs to one range of host ids to another: owners, the owner of file capabilities (capabilities(7), version 3), and ids in access control
/// lists. The ranges share no id, so that a file met again by another of its names, or after an interruption, is left alone.
/// </summary>
internal sealed class IdShift(uint from, uint to)
{
    /// <summary>VFS_CAP_REVISION_3: the last 4 of 24 bytes are the root of the user namespace in which the capabilities count.</summary>
    private const uint CapabilityRevision3 = 0x03000000;

    private const int CapabilityRootOffset = 20;

    /// <summary>posix_acl_xattr.h: a version, then entries of tag, permissions and id; only named users and groups have one.</summary>
    private const int AclHeader = 4;

    private const int AclEntry = 8;
    private const ushort AclUser = 2;
    private const ushort AclGroup = 8;

    /// <summary>The directory and all below it. Down and up by handles, with one open however deep the guest has made the tree.</summary>
    public void Run(DirectoryHandle parent, ReadOnlySpan<byte> name, CancellationToken cancellationToken)
    {
        Shift(parent, name);
        var current = parent.OpenChild(name);
        try
        {
            var levels = new Stack<Queue<byte[]>>();
            levels.Push(ShiftEntries(current));
            while (levels.Count > 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                DirectoryHandle next;
                if (levels.Peek().TryDequeue(out var child))
                {
                    next = current.OpenChild(child);
                    levels.Push(ShiftEntries(next));
                }
                else if (levels.Pop() is not null && levels.Count > 0)
                {
                    next = current.OpenChild(".."u8);
                }
                else
                {
                    return;
                }

                current.Dispose();
                current = next;
            }
        }
        finally
        {
            current.Dispose();
        }
    }

    /// <returns>Its directories.</returns>
    private Queue<byte[]> ShiftEntries(DirectoryHandle directory)
    {
        var directories = new Queue<byte[]>();
        foreach (var entry in directory.ReadEntries())
        {
            if (Shift(directory, entry.Name))
            {
                directories.Enqueue(entry.Name);
            }
        }

        return directories;
    }

    /// <returns>Whether it is a directory.</returns>
    private bool Shift(DirectoryHandle parent, ReadOnlySpan<byte> name)
    {
        if (parent.Stat(name) is not { } status)
        {
            return false;
        }

        using SafeHandle? open = status.IsDirectory ? parent.OpenChild(name) : status.IsRegularFile ? parent.OpenFile(name) : null;
        var capability = open is null ? null : Xattr.Get(open, Xattr.SecurityCapability);
        var (user, group) = (Map(status.UserId), Map(status.GroupId));
        if (user != status.UserId || group != status.GroupId)
        {
            // This clears set-user-ID and the capabilities.
            parent.ChangeOwner(name, user, group);
            if (!status.IsSymbolicLink)
            {
                parent.ChangeMode(name, status.Permissions);
            }
        }

        if (open is not null)
        {
            Set(open, Xattr.SecurityCapability, capability is null ? null : ShiftCapability(capability));
            ShiftAcl(open, Xattr.AccessAcl);
            ShiftAcl(open, Xattr.DefaultAcl);
        }

        return status.IsDirectory;
    }

    private void ShiftAcl(SafeHandle file, string attribute)
    {
        if (Xattr.Get(file, attribute) is { } list)
        {
            for (var entry = AclHeader; entry + AclEntry <= list.Length; entry += AclEntry)
            {
                var id = list.AsSpan(entry + 4);
                if (BinaryPrimitives.ReadUInt16LittleEndian(list.AsSpan(entry)) is AclUser or AclGroup)
                {
                    BinaryPrimitives.WriteUInt32LittleEndian(id, Map(BinaryPrimitives.ReadUInt32LittleEndian(id)));
                }
            }

            Set(file, attribute, list);
        }
    }

    private byte[] ShiftCapability(byte[] value)
    {
        if (value.Length == CapabilityRootOffset + 4 && (BinaryPrimitives.ReadUInt32LittleEndian(value) & 0xFF000000) == CapabilityRevision3)
        {
            var root = value.AsSpan(CapabilityRootOffset);
            BinaryPrimitives.WriteUInt32LittleEndian(root, Map(BinaryPrimitives.ReadUInt32LittleEndian(root)));
        }

        return value;
    }

    private static void Set(SafeHandle file, string attribute, byte[]? value)
    {
        if (value is not null && Xattr.Set(file, attribute, value) is var error and not 0)
        {
            throw new KernelException(error, "fsetxattr", attribute);
        }
    }

    private uint Map(uint id) => id >= from && id - from < IdRanges.RangeSize ? id - from + to : id;
}
