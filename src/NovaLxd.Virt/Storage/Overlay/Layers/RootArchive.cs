using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage.Archives;

namespace NovaLxd.Virt.Storage.Overlay.Layers;

/// <summary>
/// Packs a root into tar, with the guest's own ids, so that it is an image for any host. Sockets are left out: they mean nothing without the process that
/// listens. Packing goes by steps, between which somebody else can take away what there is.
/// </summary>
/// <param name="image">Root of the lower layer, owned by host ids that are the guest's.</param>
/// <param name="upper">The instance's own layer.</param>
/// <param name="ids">Its ids.</param>
/// <param name="openUpper">Opens a file of the instance's own layer.</param>
internal sealed class RootArchive(DirectoryHandle image, LayerNode upper, LayerIds ids, Func<MergedEntry, SafeFileHandle> openUpper) : IDisposable
{
    private const int ChunkSize = 128 * 1024;
    private const int BlockSize = 4096;

    private readonly MergedTree _tree = new(image, upper);
    private readonly byte[] _chunk = new byte[ChunkSize];

    /// <summary>The directory of the image that was read last: files come folder by folder.</summary>
    private DirectoryHandle? _parent;
    private byte[] _parentPath = [];

    /// <summary>Bytes that it takes when it is unpacked: <see cref="UnpackLimits"/> says how they are counted.</summary>
    /// <exception cref="ContainerStateException">It has more names than an image may have.</exception>
    public long Measure(UnpackLimits limits, CancellationToken cancellationToken)
    {
        var (seen, entries, names, bytes) = (new HashSet<(bool, ulong)>(), 0, 0L, 0L);
        foreach (var entry in _tree.Walk())
        {
            cancellationToken.ThrowIfCancellationRequested();
            names += entry.Path.Length;
            if (++entries > limits.MaxEntries || names > limits.MaxNameBytes)
            {
                throw new ContainerStateException(
                    $"No image can be made of the instance: it has more than {limits.MaxEntries} files, or their paths take more than {limits.MaxNameBytes} bytes.");
            }

            if (entry.Status.IsDirectory)
            {
                bytes += BlockSize;
            }
            else if (entry.Status.IsRegularFile && (entry.Status.Links == 1 || seen.Add(entry.File)))
            {
                bytes += (Math.Min(entry.Status.Size, Math.Max(entry.Status.Blocks * 512, BlockSize)) + BlockSize - 1) / BlockSize * BlockSize;
            }
        }

        return bytes;
    }

    /// <summary>Writes the archive; each step writes about <see cref="ChunkSize"/> bytes at most.</summary>
    public IEnumerable<int> Pack(Stream output)
    {
        var tar = new TarWriter(output);
        var links = new Dictionary<(bool, ulong), byte[]>();
        foreach (var entry in _tree.Walk())
        {
            if (Kind(entry.Status) is not { } kind)
            {
                continue;
            }

            if (kind is not EntryKind.Directory && entry.Status.Links > 1)
            {
                if (links.TryGetValue(entry.File, out var first))
                {
                    tar.Begin(Describe(entry, EntryKind.HardLink) with { LinkTarget = first });
                    yield return 0;
                    continue;
                }

                links.Add(entry.File, entry.Path);
            }

            if (kind is EntryKind.File)
            {
                foreach (var written in PackFile(tar, entry))
                {
                    yield return written;
                }

                continue;
            }

            tar.Begin(DescribeNode(entry, kind));
            yield return 0;
        }

        tar.Finish();
    }

    public void Dispose() => _parent?.Dispose();

    private static EntryKind? Kind(FileStatus status) => status.Type switch
    {
        FileStatus.RegularFile => EntryKind.File,
        FileStatus.Directory => EntryKind.Directory,
        FileStatus.SymbolicLink => EntryKind.SymbolicLink,
        FileStatus.Fifo => EntryKind.Fifo,
        FileStatus.CharacterDevice => EntryKind.CharacterDevice,
        FileStatus.BlockDevice => EntryKind.BlockDevice,
        _ => null,
    };

    private IEnumerable<int> PackFile(TarWriter tar, MergedEntry entry)
    {
        var size = entry.Status.Size;
        using var file = size == 0 && entry.Upper is not null ? null : entry.Upper is null ? OpenOfImage(entry) : openUpper(entry);
        var extents = size == 0 ? null : TarWriter.WithoutSmallHoles([.. Extents(file!, size)], size);
        tar.Begin(Describe(entry, EntryKind.File) with
        {
            Size = size,
            DataExtents = extents,
            ExtendedAttributes = entry.Upper?.Attributes ?? LayerAttributes.Read(file!, default, entry.Path, out _),
        });
        foreach (var extent in extents ?? [new DataExtent(0, size)])
        {
            for (long done = 0; done < extent.Length;)
            {
                var read = RandomAccess.Read(file!, _chunk.AsSpan(0, (int)Math.Min(_chunk.Length, extent.Length - done)), extent.Offset + done);
                if (read == 0)
                {
                    throw new IOException($"{ArchiveEntry.Printable(entry.Path)} has become shorter while it was packed.");
                }

                tar.Write(_chunk.AsSpan(0, read));
                done += read;
                yield return read;
            }
        }

        tar.End();
    }

    /// <summary>What lies behind the size seen by the guest does not count: of a copy made later it could be more.</summary>
    private static IEnumerable<DataExtent> Extents(SafeFileHandle file, long size)
    {
        foreach (var (start, length) in FileRange.DataOf(file))
        {
            if (start < size)
            {
                yield return new DataExtent(start, Math.Min(length, size - start));
            }
        }
    }

    private ArchiveEntry DescribeNode(MergedEntry entry, EntryKind kind)
    {
        var described = Describe(entry, kind);
        return kind switch
        {
            EntryKind.SymbolicLink => described with { LinkTarget = entry.Upper?.LinkTarget ?? ParentOfImage(entry).ReadSymbolicLink(entry.Name) },
            EntryKind.Directory => described with
            {
                Path = entry.Path.Length == 0 ? "./"u8.ToArray() : [.. entry.Path, (byte)'/'],
                ExtendedAttributes = entry.Upper?.Attributes ?? AttributesOfImage(entry),
            },
            EntryKind.CharacterDevice or EntryKind.BlockDevice => described with { DeviceMajor = entry.Status.NodeMajor, DeviceMinor = entry.Status.NodeMinor },
            _ => described,
        };
    }

    private ArchiveEntry Describe(MergedEntry entry, EntryKind kind) => new()
    {
        Path = entry.Path,
        Kind = kind,
        Mode = entry.Status.Permissions,
        UserId = entry.Upper is null ? entry.Status.UserId : ids.ToGuest(entry.Status.UserId),
        GroupId = entry.Upper is null ? entry.Status.GroupId : ids.ToGuest(entry.Status.GroupId),
        ModifiedSeconds = entry.Status.ModifiedSeconds,
        ModifiedNanoseconds = entry.Status.ModifiedNanoseconds,
    };

    private IReadOnlyList<ExtendedAttribute> AttributesOfImage(MergedEntry directory)
    {
        using var opened = image.OpenBeneath(directory.Path)!;
        return LayerAttributes.Read(opened, default, directory.Path, out _);
    }

    private SafeFileHandle OpenOfImage(MergedEntry entry) => ParentOfImage(entry).OpenFile(entry.Name);

    private DirectoryHandle ParentOfImage(MergedEntry entry)
    {
        var path = entry.Parent;
        if (_parent is null || !_parentPath.AsSpan().SequenceEqual(path))
        {
            var opened = path.Length == 0 ? image.OpenChild("."u8) : image.OpenBeneath(path) ?? throw new KernelException(Errno.ENOENT, "openat2", DirectoryHandle.Text(path));
            _parent?.Dispose();
            (_parent, _parentPath) = (opened, path);
        }

        return _parent;
    }
}
