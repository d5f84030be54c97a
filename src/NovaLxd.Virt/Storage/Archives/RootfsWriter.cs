using System.Text;
using NovaLxd.Virt.Kernel;
using static NovaLxd.Virt.Kernel.Errno;

namespace NovaLxd.Virt.Storage.Archives;

/// <summary>
/// Writes members of an archive below one directory and nowhere else. Whatever the archive says, parents are opened beneath that directory and never
/// through a symbolic link (openat2(2)), and everything else works on a single name in an open directory. Nobody else writes there meanwhile.
/// <para>
/// Kept: content, holes, numeric owners up to 65535, permission bits with set-user-ID and set-group-ID, times, hard links, FIFOs, user.* attributes, file
/// capabilities and access control lists. Left out and counted: device nodes, sockets, other attributes. Refused, with the member's name: ways out, whiteouts and overlayfs's own
/// attributes (they would hide or redirect files once the image is a lower layer), ids that no container has, and anything beyond the limits.
/// </para>
/// </summary>
internal sealed class RootfsWriter(DirectoryHandle root, UnpackLimits limits) : IDisposable
{
    /// <summary>The largest id a container has: its range is 65536 long.</summary>
    private const int MaxId = 65535;

    private const uint ImplicitDirectoryMode = 0x1ED; // 0755

    private readonly byte[] _buffer = new byte[128 * 1024];
    private readonly List<(byte[] Path, long Seconds, long Nanoseconds)> _directoryTimes = [];
    private readonly HashSet<string> _skipped = [];
    private readonly UnpackResult _result = new();

    /// <summary>The directory written to last: archives go folder by folder.</summary>
    private DirectoryHandle? _parent;
    private byte[] _parentPath = [];
    private long _nameBytes;

    /// <summary>Writes everything a reader has to give.</summary>
    /// <exception cref="ImageRejectedException"/>
    /// <exception cref="OutOfSpaceException"/>
    public UnpackResult WriteAll(IArchiveReader reader, CancellationToken cancellationToken)
    {
        while (reader.Next() is { } entry)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                Write(entry, reader, cancellationToken);
            }
            catch (KernelException e)
            {
                throw Translate(e, entry);
            }
        }

        ApplyDirectoryTimes();
        return _result;
    }

    public void Dispose() => _parent?.Dispose();

    private static Exception Translate(KernelException e, ArchiveEntry entry) => e.Errno switch
    {
        ELOOP => Rejected(entry, "lies behind a symbolic link"),
        ENOTDIR => Rejected(entry, "lies below something that is not a directory"),
        EXDEV or EISDIR or EINVAL or ENAMETOOLONG or EMLINK or ENOENT or EEXIST or EPERM or ERANGE or E2BIG => Rejected(entry, $"cannot be made: {e.Message}"),
        ENOSPC or EDQUOT => new OutOfSpaceException($"The image does not fit on this host: no space left while writing {entry.Name}.", e),
        _ => e,
    };

    private static ImageRejectedException Rejected(ArchiveEntry entry, string why) => MemberPath.Rejected(entry.Path, why);

    private void Write(ArchiveEntry entry, IArchiveReader reader, CancellationToken cancellationToken)
    {
        var path = MemberPath.Parse(entry.Path);
        CountEntry(entry.Path.Length);
        if (entry.UserId is < 0 or > MaxId || entry.GroupId is < 0 or > MaxId)
        {
            throw Rejected(entry, $"belongs to {entry.UserId}:{entry.GroupId}; containers have the ids 0 to {MaxId}");
        }

        if (path.IsRoot && entry.Kind != EntryKind.Directory)
        {
            throw Rejected(entry, "has no name");
        }

        switch (entry.Kind)
        {
            case EntryKind.Directory:
                WriteDirectory(entry, path);
                break;
            case EntryKind.File:
                WriteFile(entry, path, reader, cancellationToken);
                break;
            case EntryKind.SymbolicLink:
                var parent = Parent(path.Parent);
                Place(parent, path.Name, entry, () => parent.MakeSymbolicLink(CheckedTarget(entry), path.Name));
                parent.ChangeOwner(path.Name, (uint)entry.UserId, (uint)entry.GroupId);
                parent.SetModified(path.Name, entry.ModifiedSeconds, entry.ModifiedNanoseconds);
                break;
            case EntryKind.HardLink:
                WriteHardLink(entry, path);
                break;
            case EntryKind.Fifo:
                WriteFifo(entry, path);
                break;
            default:
                SkipNode(entry, path);
                break;
        }
    }

    private void CountEntry(int nameLength)
    {
        _nameBytes += nameLength;
        if (++_result.Entries > limits.MaxEntries || _nameBytes > limits.MaxNameBytes)
        {
            throw new ImageRejectedException($"The image is refused: it has more than {limits.MaxEntries} files, or their names take more than {limits.MaxNameBytes} bytes.");
        }
    }

    private void CountBytes(long bytes)
    {
        // No overflow: the caller has compared bytes with the limit.
        _result.Bytes += (bytes + 4095) / 4096 * 4096;
        if (_result.Bytes > limits.MaxBytes)
        {
            throw new ImageRejectedException($"The image is refused: unpacked it takes more than {limits.MaxBytes} bytes.");
        }
    }

    private void WriteDirectory(ArchiveEntry entry, MemberPath path)
    {
        if (!path.IsRoot)
        {
            var parent = Parent(path.Parent);
            if (parent.Stat(path.Name) is not { IsDirectory: true })
            {
                CountBytes(4096);
                Place(parent, path.Name, entry, () => parent.MakeDirectory(path.Name, ImplicitDirectoryMode));
            }
        }

        var directory = Parent(path.Full);
        FileMetadata.SetOwnerAndMode(directory, (uint)entry.UserId, (uint)entry.GroupId, entry.Mode);
        SetAttributes(directory, entry);
        _directoryTimes.Add((path.Full, entry.ModifiedSeconds, entry.ModifiedNanoseconds));
    }

    private void WriteFile(ArchiveEntry entry, MemberPath path, IArchiveReader reader, CancellationToken cancellationToken)
    {
        var extents = entry.DataExtents ?? [new DataExtent(0, entry.Size)];
        if (entry.Size < 0 || entry.Size > limits.MaxBytes)
        {
            throw Rejected(entry, $"has {entry.Size} bytes; all of the image may have {limits.MaxBytes}");
        }

        CountBytes(extents.Sum(extent => extent.Length));
        var parent = Parent(path.Parent);
        Microsoft.Win32.SafeHandles.SafeFileHandle? created = null;
        Place(parent, path.Name, entry, () => created = parent.CreateFile(path.Name, 0x180));
        using var file = created!;
        foreach (var extent in extents)
        {
            CopyContent(reader, file, extent, cancellationToken);
        }

        if (entry.DataExtents is not null)
        {
            RandomAccess.SetLength(file, entry.Size);
        }

        FileMetadata.SetOwnerAndMode(file, (uint)entry.UserId, (uint)entry.GroupId, entry.Mode);
        SetAttributes(file, entry);
        FileMetadata.SetModified(file, entry.ModifiedSeconds, entry.ModifiedNanoseconds);
    }

    private void CopyContent(
        IArchiveReader reader, Microsoft.Win32.SafeHandles.SafeFileHandle file, DataExtent extent, CancellationToken cancellationToken)
    {
        for (long done = 0; done < extent.Length;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = reader.Read(_buffer.AsSpan(0, (int)Math.Min(_buffer.Length, extent.Length - done)));
            if (read == 0)
            {
                throw new ImageRejectedException("The archive is truncated.");
            }

            FileData.Write(file, _buffer.AsSpan(0, read), extent.Offset + done);
            done += read;
        }
    }

    private void WriteHardLink(ArchiveEntry entry, MemberPath path)
    {
        var target = MemberPath.Parse(entry.LinkTarget);
        if (_skipped.Contains(Encoding.Latin1.GetString(target.Full)))
        {
            SkipNode(entry, path);
            return;
        }

        using var source = target.IsRoot ? null : target.Parent.Length == 0 ? root.OpenChild("."u8) : root.OpenBeneath(target.Parent);
        if (source?.Stat(target.Name) is not { IsDirectory: false })
        {
            throw Rejected(entry, $"is a hard link to {ArchiveEntry.Printable(entry.LinkTarget)}, which is not in the image");
        }

        if (target.Full.AsSpan().SequenceEqual(path.Full))
        {
            return;
        }

        var parent = Parent(path.Parent);
        Place(parent, path.Name, entry, () => parent.Link(source, target.Name, path.Name));
    }

    private void WriteFifo(ArchiveEntry entry, MemberPath path)
    {
        var parent = Parent(path.Parent);
        Place(parent, path.Name, entry, () => parent.MakeFifo(path.Name, 0x180));
        parent.ChangeOwner(path.Name, (uint)entry.UserId, (uint)entry.GroupId);
        parent.ChangeMode(path.Name, entry.Mode);
        parent.SetModified(path.Name, entry.ModifiedSeconds, entry.ModifiedNanoseconds);
    }

    private void SkipNode(ArchiveEntry entry, MemberPath path)
    {
        if (entry is { Kind: EntryKind.CharacterDevice, DeviceMajor: 0, DeviceMinor: 0 })
        {
            throw Rejected(entry, "is a whiteout of overlayfs");
        }

        _result.SkippedNodes++;
        _skipped.Add(Encoding.Latin1.GetString(path.Full));
    }

    private static byte[] CheckedTarget(ArchiveEntry entry) =>
        entry.LinkTarget.Length is > 0 and <= DirectoryHandle.MaxPathLength && !entry.LinkTarget.Contains((byte)0)
            ? entry.LinkTarget
            : throw Rejected(entry, "is a symbolic link to nothing or to a path that is too long");

    /// <summary>Makes something under a name; what an earlier member left there gives way, unless it is a directory.</summary>
    private static void Place(DirectoryHandle parent, byte[] name, ArchiveEntry entry, Action make)
    {
        try
        {
            make();
        }
        catch (KernelException e) when (e.Errno == EEXIST)
        {
            if (parent.Stat(name) is { IsDirectory: true })
            {
                throw Rejected(entry, "is also a directory");
            }

            parent.Unlink(name);
            make();
        }
    }

    /// <summary>The directory of this path below the root, made where it is missing.</summary>
    private DirectoryHandle Parent(byte[] path)
    {
        if (_parent is not null && _parentPath.AsSpan().SequenceEqual(path))
        {
            return _parent;
        }

        var opened = path.Length == 0 ? root.OpenChild("."u8) : root.OpenBeneath(path) ?? MakeMissing(path);
        _parent?.Dispose();
        (_parent, _parentPath) = (opened, path);
        return opened;
    }

    private DirectoryHandle MakeMissing(ReadOnlySpan<byte> path)
    {
        var current = root.OpenChild("."u8);
        foreach (var range in path.Split((byte)'/'))
        {
            using var above = current;
            var name = path[range];
            if (above.Stat(name) is null)
            {
                CountEntry(path.Length);
                CountBytes(4096);
                above.MakeDirectory(name, ImplicitDirectoryMode);
                above.ChangeMode(name, ImplicitDirectoryMode); // Whatever the umask of the service is.
            }

            current = above.OpenChild(name);
        }

        return current;
    }

    private void SetAttributes(System.Runtime.InteropServices.SafeHandle file, ArchiveEntry entry)
    {
        foreach (var (name, value) in entry.ExtendedAttributes)
        {
            if (name.StartsWith("trusted.overlay.", StringComparison.Ordinal) || name.StartsWith("user.overlay.", StringComparison.Ordinal))
            {
                throw Rejected(entry, $"carries {name}, an attribute of overlayfs itself");
            }

            var isAcl = name is Xattr.AccessAcl or Xattr.DefaultAcl;
            if (!name.StartsWith("user.", StringComparison.Ordinal) && name != Xattr.SecurityCapability && !isAcl)
            {
                _result.SkippedAttributes++;
                continue;
            }

            var error = Xattr.Set(file, name, value);
            // A file system with a fixed room for attributes reports it used up as it reports a full disk.
            if (error == ENOSPC && entry.ExtendedAttributes.Sum(attribute => attribute.Value.Length) > 1024)
            {
                throw Rejected(entry, $"has attributes, {name} of {value.Length} bytes among them, that are too large for the host's file system");
            }

            if (error == EOPNOTSUPP && isAcl)
            {
                _result.SkippedAttributes++; // The host's file system is mounted without.
                continue;
            }

            if (error != 0)
            {
                throw new KernelException(error, "fsetxattr", $"{name} of {entry.Name}");
            }
        }
    }

    /// <summary>Last, because every file written into a directory changes its time.</summary>
    private void ApplyDirectoryTimes()
    {
        foreach (var (path, seconds, nanoseconds) in _directoryTimes)
        {
            FileMetadata.SetModified(Parent(path), seconds, nanoseconds);
        }
    }
}
