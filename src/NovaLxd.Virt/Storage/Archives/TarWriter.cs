using System.Buffers;
using System.Globalization;
using System.Numerics;
using System.Text;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Storage.Archives;

/// <summary>
/// Writes tar in the pax format, so that every tar(1) of this century reads it: ustar headers, and records in front of those that cannot say all (long
/// names, fractions of seconds, attributes, sizes of 8 GiB and more, holes by GNU's format 1.0). A member is begun, its data follows, it is ended.
/// </summary>
internal sealed class TarWriter(Stream output)
{
    /// <summary>Most parts of one sparse file: <see cref="SparseMap"/> reads twice as many. Of a file with more, the smallest holes are written as zeros.</summary>
    internal const int MaxExtents = 100_000;

    private const int NameLength = 100;
    private const long MaxOctalSize = 0x1_FFFF_FFFF;
    private const long MaxOctalTime = 0x1_FFFF_FFFF;

    private static readonly byte[] _zeros = new byte[2 * TarHeader.Size];

    private readonly ArrayBufferWriter<byte> _records = new();
    private long _padding;

    /// <summary>
    /// Header of a member. For a file, the data of its extents (null: all <see cref="ArchiveEntry.Size"/> bytes) follows by <see cref="Write"/>. Every extent but
    /// the last is of whole blocks of 512 bytes, as on every file system: whether others would be filled up is what readers do not agree on.
    /// </summary>
    public void Begin(ArchiveEntry entry)
    {
        _records.ResetWrittenCount();
        var isFile = entry.Kind == EntryKind.File;
        var map = isFile && entry.DataExtents is { } extents ? Map(extents, entry.Size) : [];
        var stored = !isFile ? 0 : entry.DataExtents is null ? entry.Size : map.Length + entry.DataExtents.Sum(extent => extent.Length);
        AddRecords(entry, stored);
        if (_records.WrittenCount > 0)
        {
            WriteHeader(Header('x', "pax"u8, [], 0x1A4, 0, 0, _records.WrittenCount, 0, 0, 0));
            output.Write(_records.WrittenSpan);
            WritePadding(_records.WrittenCount);
        }

        WriteHeader(Header(
            Type(entry.Kind), entry.Path, entry.LinkTarget, entry.Mode, entry.UserId, entry.GroupId, Math.Min(stored, MaxOctalSize),
            Math.Clamp(entry.ModifiedSeconds, 0, MaxOctalTime), entry.DeviceMajor, entry.DeviceMinor));
        output.Write(map);
        _padding = stored;
    }

    public void Write(ReadOnlySpan<byte> data) => output.Write(data);

    /// <summary>Fills the last block of a member's data.</summary>
    public void End()
    {
        WritePadding(_padding);
        _padding = 0;
    }

    /// <summary>The end mark: two blocks of zeros.</summary>
    public void Finish() => output.Write(_zeros);

    /// <summary>At most <see cref="MaxExtents"/> parts with the same data; null when there are no holes.</summary>
    internal static IReadOnlyList<DataExtent>? WithoutSmallHoles(IReadOnlyList<DataExtent> extents, long size)
    {
        if (size == 0 || extents is [var only] && only == new DataExtent(0, size))
        {
            return null;
        }

        for (long smallest = 4096; extents.Count > MaxExtents; smallest *= 2)
        {
            var fewer = new List<DataExtent>();
            foreach (var extent in extents)
            {
                if (fewer is [.., var last] && extent.Offset - (last.Offset + last.Length) <= smallest)
                {
                    fewer[^1] = last with { Length = extent.Offset + extent.Length - last.Offset };
                }
                else
                {
                    fewer.Add(extent);
                }
            }

            extents = fewer;
        }

        return extents;
    }

    private static char Type(EntryKind kind) => kind switch
    {
        EntryKind.File => '0',
        EntryKind.HardLink => '1',
        EntryKind.SymbolicLink => '2',
        EntryKind.CharacterDevice => '3',
        EntryKind.BlockDevice => '4',
        EntryKind.Directory => '5',
        EntryKind.Fifo => '6',
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "tar has no such members."),
    };

    private void AddRecords(ArchiveEntry entry, long stored)
    {
        if (entry.DataExtents is not null && entry.Kind == EntryKind.File)
        {
            AddRecord("GNU.sparse.major", "1"u8);
            AddRecord("GNU.sparse.minor", "0"u8);
            AddRecord("GNU.sparse.name", entry.Path);
            AddRecord("GNU.sparse.realsize", Text(entry.Size));
        }
        else if (entry.Path.Length > NameLength)
        {
            AddRecord("path", entry.Path);
        }

        if (entry.LinkTarget.Length > NameLength)
        {
            AddRecord("linkpath", entry.LinkTarget);
        }

        if (stored > MaxOctalSize)
        {
            AddRecord("size", Text(stored));
        }

        if (entry.ModifiedNanoseconds != 0 || entry.ModifiedSeconds is < 0 or > MaxOctalTime)
        {
            var time = entry.ModifiedSeconds + (entry.ModifiedNanoseconds / 1_000_000_000m);
            AddRecord("mtime", Encoding.ASCII.GetBytes(time.ToString("0.#########", CultureInfo.InvariantCulture)));
        }

        foreach (var (name, value) in entry.ExtendedAttributes)
        {
            AddRecord("SCHILY.xattr." + name, value);
        }
    }

    /// <summary>"LENGTH KEY=VALUE\n", where the length counts its own digits.</summary>
    private void AddRecord(string key, ReadOnlySpan<byte> value)
    {
        var name = Encoding.UTF8.GetBytes(key);
        var rest = name.Length + value.Length + 3;
        var length = rest + 1;
        while (length != rest + Text(length).Length)
        {
            length = rest + Text(length).Length;
        }

        _records.Write(Text(length));
        _records.Write(" "u8);
        _records.Write(name);
        _records.Write("="u8);
        _records.Write(value);
        _records.Write("\n"u8);
    }

    /// <summary>
    /// Format 1.0: the number of parts, then offset and length of each, a line for every number, filled to whole blocks. tar(1) makes a file no longer than its
    /// last part, so a hole at the end is followed by a part of nothing.
    /// </summary>
    private static byte[] Map(IReadOnlyList<DataExtent> extents, long size)
    {
        IReadOnlyList<DataExtent> parts = extents is [.., var last] && last.Offset + last.Length == size ? extents : [.. extents, new DataExtent(size, 0)];
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"{parts.Count}\n");
        foreach (var (offset, length) in parts)
        {
            text.Append(CultureInfo.InvariantCulture, $"{offset}\n{length}\n");
        }

        var map = new byte[RoundUp(text.Length)];
        Encoding.ASCII.GetBytes(text.ToString(), map);
        return map;
    }

    private static byte[] Header(
        char type, ReadOnlySpan<byte> name, ReadOnlySpan<byte> link, uint mode, long user, long group, long size, long modified, uint major, uint minor)
    {
        var header = new byte[TarHeader.Size];
        name[..Math.Min(name.Length, NameLength)].CopyTo(header);
        Octal(header.AsSpan(100, 8), mode & FileStatus.PermissionMask);
        Octal(header.AsSpan(108, 8), user);
        Octal(header.AsSpan(116, 8), group);
        Octal(header.AsSpan(124, 12), size);
        Octal(header.AsSpan(136, 12), modified);
        header[156] = (byte)type;
        link[..Math.Min(link.Length, NameLength)].CopyTo(header.AsSpan(157));
        "ustar\0"u8.CopyTo(header.AsSpan(257));
        "00"u8.CopyTo(header.AsSpan(263));
        Octal(header.AsSpan(329, 8), major);
        Octal(header.AsSpan(337, 8), minor);

        // The sum is taken with blanks in its own place.
        header.AsSpan(148, 8).Fill((byte)' ');
        var sum = 0;
        foreach (var octet in header)
        {
            sum += octet;
        }

        Octal(header.AsSpan(148, 7), sum);
        return header;
    }

    /// <summary>Digits to the end of the field but one, which stays zero.</summary>
    private static void Octal<T>(Span<byte> field, T value)
        where T : IBinaryInteger<T>
    {
        for (var at = field.Length - 2; at >= 0; at--)
        {
            field[at] = (byte)('0' + int.CreateTruncating(value & T.CreateTruncating(7)));
            value >>= 3;
        }

        field[^1] = 0;
    }

    private static long RoundUp(long length) => (length + TarHeader.Size - 1) / TarHeader.Size * TarHeader.Size;

    private static byte[] Text(long number) => Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture));

    private void WriteHeader(byte[] header) => output.Write(header);

    private void WritePadding(long length) => output.Write(_zeros.AsSpan(0, (int)(RoundUp(length) - length)));
}
