using Microsoft.Win32.SafeHandles;

namespace NovaLxd.Virt.Storage.Archives.Squashfs;

/// <summary>
/// Reads a squashfs image as a sequence of members, the root first and every directory before what is in it.
/// <para>
/// Neither the kernel nor unsquashfs(1) sees the image: a mount would hand a stranger's data structures to a parser that runs in kernel mode, and the program
/// parses them in C as root and has followed links out of its target before (CVE-2021-40153, CVE-2021-41072). Here a damaged image ends in an
/// exception, and what is read goes through the same rules as tar.
/// </para>
/// </summary>
/// <param name="file">The whole image; stays the caller's.</param>
/// <param name="maxFileSize">Of a larger file nothing but its size is read: whoever unpacks will refuse it.</param>
internal sealed class SquashfsReader(SafeFileHandle file, long maxFileSize) : IArchiveReader
{
    private readonly SquashfsImage _image = new(file);
    private readonly Stack<SquashfsDirectory> _open = new();
    private readonly HashSet<ulong> _directories = [];
    private readonly Dictionary<uint, byte[]> _linked = [];
    private SquashfsXattrs? _xattrs;
    private SquashfsFileContent? _content;

    public ArchiveEntry? Next()
    {
        _content = null;
        var isRoot = _xattrs is null;
        _xattrs ??= new SquashfsXattrs(_image);
        byte[] path = [];
        var reference = _image.Superblock.RootInode;
        if (!isRoot && !NextName(out path, out reference))
        {
            return null;
        }

        var inode = SquashfsInode.Read(_image, reference);
        if (isRoot && inode.Kind != EntryKind.Directory)
        {
            throw SquashfsImage.Damaged("its root is not a directory");
        }

        if (inode.Kind == EntryKind.Directory)
        {
            // A directory has one name only; one met twice would be walked for ever.
            if (!_directories.Add(reference))
            {
                throw SquashfsImage.Damaged("a directory contains itself or has two names");
            }

            _open.Push(new SquashfsDirectory(_image, inode, path));
        }
        else if (inode.Links > 1 && !_linked.TryAdd(inode.Number, path))
        {
            return Entry(path, inode, _linked[inode.Number]) with { Kind = EntryKind.HardLink };
        }

        if (inode.Kind == EntryKind.File && inode.Size <= (ulong)maxFileSize)
        {
            _content = new SquashfsFileContent(_image, inode);
        }

        return Entry(path, inode, inode.Target) with
        {
            Size = inode.Kind == EntryKind.File ? (long)Math.Min(inode.Size, long.MaxValue) : 0,
            DataExtents = _content?.Extents,
            ExtendedAttributes = _xattrs.Read(inode.Xattr),
        };
    }

    public int Read(Span<byte> buffer) => _content?.Read(buffer) ?? 0;

    public void Dispose() => _image.Dispose();

    private static ArchiveEntry Entry(byte[] path, SquashfsInode inode, byte[] target) => new()
    {
        Path = path,
        Kind = inode.Kind,
        Mode = inode.Mode,
        UserId = inode.UserId,
        GroupId = inode.GroupId,
        ModifiedSeconds = inode.Modified,
        LinkTarget = target,
        // new_encode_dev of the kernel: minor in bits 0-7 and 20-31, major in bits 8-19.
        DeviceMajor = (inode.Device >> 8) & 0xFFF,
        DeviceMinor = (inode.Device & 0xFF) | ((inode.Device >> 12) & 0xFFF00),
    };

    /// <summary>The next name of the innermost directory that has one left.</summary>
    private bool NextName(out byte[] path, out ulong inode)
    {
        while (_open.TryPeek(out var directory))
        {
            if (directory.TryNext(out path, out inode))
            {
                return true;
            }

            _open.Pop();
        }

        (path, inode) = ([], 0);
        return false;
    }
}
