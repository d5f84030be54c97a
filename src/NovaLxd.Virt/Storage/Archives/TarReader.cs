namespace NovaLxd.Virt.Storage.Archives;

/// <summary>
/// Reads tar as it occurs: V7, ustar, pax, GNU (long names, base-256 numbers, sparse files). System.Formats.Tar is not used because it decodes pax values
/// as text, which destroys capabilities, and knows no sparse files.
/// </summary>
internal sealed class TarReader(Stream input) : IArchiveReader
{
    /// <summary>Most bytes of extended headers before one member; extended attributes are at most 64 KiB each.</summary>
    private const int MaxExtensionBytes = 1 << 20;

    private const int MaxExtensionHeaders = 64;

    /// <summary>Zeros allowed after the end: the largest blocking factor in use.</summary>
    private const int MaxPadding = 4 << 20;

    private readonly byte[] _block = new byte[TarHeader.Size];
    private readonly PaxRecords _global = new();
    private readonly PaxRecords _records = new();
    private long _globalBytes;
    private byte[]? _longName;
    private byte[]? _longLink;
    private long _remaining;
    private long _padding;
    private string _current = "the first member";

    public ArchiveEntry? Next()
    {
        Skip(_remaining + _padding);
        (_remaining, _padding) = (0, 0);
        _records.Clear();
        _records.Add(_global);
        (_longName, _longLink) = (null, null);
        for (var headers = 0; ; headers++)
        {
            if (!ReadHeader())
            {
                return null;
            }

            var header = new TarHeader(_block);
            if (headers > MaxExtensionHeaders)
            {
                throw Damaged($"too many extended headers after {_current}");
            }

            switch (header.Type)
            {
                case 'x' or 'X':
                    _records.Parse(ReadExtension(header));
                    break;
                case 'g':
                    var content = ReadExtension(header);
                    _globalBytes += content.Length;
                    if (_globalBytes > MaxExtensionBytes)
                    {
                        throw Damaged("too many global headers");
                    }

                    _global.Parse(content);
                    _records.Parse(content);
                    break;
                case 'L':
                    _longName = ReadExtension(header).AsSpan().TrimEnd((byte)0).ToArray();
                    break;
                case 'K':
                    _longLink = ReadExtension(header).AsSpan().TrimEnd((byte)0).ToArray();
                    break;
                case 'V': // Volume label.
                    Skip(RoundUp(Length(header)));
                    break;
                default:
                    return Member(header);
            }
        }
    }

    public int Read(Span<byte> buffer)
    {
        if (_remaining == 0)
        {
            return 0;
        }

        var read = input.Read(buffer[..(int)Math.Min(buffer.Length, _remaining)]);
        if (read == 0)
        {
            throw Truncated();
        }

        _remaining -= read;
        return read;
    }

    public void Dispose() => input.Dispose();

    private static ImageRejectedException Damaged(string what) => new($"The archive is damaged: {what}.");

    private static long RoundUp(long length) => checked((length + TarHeader.Size - 1) / TarHeader.Size * TarHeader.Size);

    /// <summary>False at the end: a block of zeros, after which nothing but zeros may come.</summary>
    private bool ReadHeader()
    {
        var read = input.ReadAtLeast(_block, _block.Length, throwOnEndOfStream: false);
        if (read < _block.Length)
        {
            throw Truncated();
        }

        if (_block.AsSpan().ContainsAnyExcept((byte)0))
        {
            return TarHeader.HasValidChecksum(_block) ? true : throw Damaged($"no valid header after {_current}");
        }

        CheckPadding();
        return false;
    }

    private void CheckPadding()
    {
        var buffer = new byte[64 * 1024];
        long total = 0;
        for (int read; (read = input.Read(buffer)) > 0;)
        {
            total += read;
            if (total > MaxPadding || buffer.AsSpan(0, read).ContainsAnyExcept((byte)0))
            {
                throw Damaged("there is something after its end");
            }
        }
    }

    private ArchiveEntry Member(TarHeader header)
    {
        var path = _records.Find("GNU.sparse.name") ?? _records.Find("path") ?? _longName ?? header.Name;
        _current = ArchiveEntry.Printable(path);
        var kind = Kind(header.Type, path);
        var stored = kind is EntryKind.File ? Length(header) : 0;
        var (size, extents) = kind is EntryKind.File ? Layout(header, ref stored) : (0, null);
        _remaining = stored;
        _padding = RoundUp(stored) - stored;
        var (seconds, nanoseconds) = _records.FindTime("mtime") ?? (header.Modified, 0);
        return new ArchiveEntry
        {
            Path = path,
            Kind = kind,
            Mode = (uint)(header.Mode & Kernel.FileStatus.PermissionMask),
            UserId = _records.FindNumber("uid") ?? header.UserId,
            GroupId = _records.FindNumber("gid") ?? header.GroupId,
            Size = size,
            ModifiedSeconds = seconds,
            ModifiedNanoseconds = nanoseconds,
            LinkTarget = kind is EntryKind.SymbolicLink or EntryKind.HardLink ? _records.Find("linkpath") ?? _longLink ?? header.LinkName : [],
            DeviceMajor = kind is EntryKind.CharacterDevice or EntryKind.BlockDevice ? (uint)header.DeviceMajor : 0,
            DeviceMinor = kind is EntryKind.CharacterDevice or EntryKind.BlockDevice ? (uint)header.DeviceMinor : 0,
            ExtendedAttributes = _records.ExtendedAttributes(),
            DataExtents = extents,
        };
    }

    private EntryKind Kind(char type, byte[] path) => type switch
    {
        '0' or '\0' or '7' => path is [.., (byte)'/'] ? EntryKind.Directory : EntryKind.File, // V7 marks directories so.
        'S' => EntryKind.File,
        '1' => EntryKind.HardLink,
        '2' => EntryKind.SymbolicLink,
        '3' => EntryKind.CharacterDevice,
        '4' => EntryKind.BlockDevice,
        '5' => EntryKind.Directory,
        '6' => EntryKind.Fifo,
        _ => throw new ImageRejectedException($"The archive has a member of type {(int)type:x2}, {_current}, which no root file system needs."),
    };

    /// <summary>Size of a file and where its data goes; <paramref name="stored"/> becomes the bytes of data that follow.</summary>
    private (long Size, IReadOnlyList<DataExtent>? Extents) Layout(TarHeader header, ref long stored)
    {
        if (header.Type == 'S')
        {
            var size = header.SparseRealSize;
            var map = new List<DataExtent>();
            SparseMap.AddOldEntries(header.SparseEntries, map);
            for (var more = header.SparseContinues; more; more = _block[504] != 0)
            {
                ReadBlock(_block);
                SparseMap.AddOldEntries(_block.AsSpan(0, 504), map);
            }

            return (size, SparseMap.Check(map, size, stored));
        }

        var realSize = _records.FindNumber("GNU.sparse.realsize") ?? _records.FindNumber("GNU.sparse.size");
        if (realSize is not { } real)
        {
            return (stored, null);
        }

        if (SparseMap.FromRecords(_records) is { } fromRecords)
        {
            return (real, SparseMap.Check(fromRecords, real, stored));
        }

        var block = new byte[TarHeader.Size];
        var left = stored;
        var fromData = SparseMap.FromData(() =>
        {
            left -= block.Length;
            if (left < 0)
            {
                throw Damaged($"the map of sparse file {_current} does not end");
            }

            ReadBlock(block);
            return block;
        });
        stored = left;
        return (real, SparseMap.Check(fromData, real, stored));
    }

    private long Length(TarHeader header)
    {
        var length = _records.FindNumber("size") ?? header.Length;
        return length is >= 0 and < long.MaxValue - TarHeader.Size ? length : throw Damaged($"{_current} has a size of {length}");
    }

    private byte[] ReadExtension(TarHeader header)
    {
        // The size of an extended header is its own header's; a pax "size" speaks of the member.
        var length = header.Length;
        if (length is < 0 or > MaxExtensionBytes)
        {
            throw Damaged($"an extended header after {_current} has {length} bytes");
        }

        var content = new byte[RoundUp(length)];
        ReadBlock(content);
        return content[..(int)length];
    }

    private void ReadBlock(Span<byte> block)
    {
        if (input.ReadAtLeast(block, block.Length, throwOnEndOfStream: false) < block.Length)
        {
            throw Truncated();
        }
    }

    private void Skip(long count)
    {
        Span<byte> buffer = stackalloc byte[4096];
        while (count > 0)
        {
            var read = input.Read(buffer[..(int)Math.Min(buffer.Length, count)]);
            if (read == 0)
            {
                throw Truncated();
            }

            count -= read;
        }
    }

    private ImageRejectedException Truncated() => new($"The archive is truncated: it ends at or in {_current}, without its end mark.");
}
