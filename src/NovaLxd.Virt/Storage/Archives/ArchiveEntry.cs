using System.Text;

namespace NovaLxd.Virt.Storage.Archives;

internal enum EntryKind
{
    File,
    Directory,
    SymbolicLink,
    HardLink,
    Fifo,
    Socket,
    CharacterDevice,
    BlockDevice,
}

/// <summary>
/// One member of an archive as it stands there: nothing in it has been judged. Names are bytes, as on disk. <see cref="DataExtents"/> names the
/// parts of a sparse file that have data, in order; null: all of it.
/// </summary>
internal sealed record ArchiveEntry
{
    public required byte[] Path { get; init; }

    public required EntryKind Kind { get; init; }

    /// <summary>Permission bits, with set-user-ID, set-group-ID and sticky.</summary>
    public required uint Mode { get; init; }

    public required long UserId { get; init; }

    public required long GroupId { get; init; }

    /// <summary>Bytes of a file, holes included.</summary>
    public long Size { get; init; }

    /// <summary>Seconds since 1970.</summary>
    public long ModifiedSeconds { get; init; }

    public long ModifiedNanoseconds { get; init; }

    /// <summary>Where a symbolic link points, or the member a hard link is another name of.</summary>
    public byte[] LinkTarget { get; init; } = [];

    public uint DeviceMajor { get; init; }

    public uint DeviceMinor { get; init; }

    public IReadOnlyList<ExtendedAttribute> ExtendedAttributes { get; init; } = [];

    public IReadOnlyList<DataExtent>? DataExtents { get; init; }

    /// <summary>The path for messages.</summary>
    public string Name => Printable(Path);

    /// <summary>A name from an archive in quotes, with what could upset a terminal or a log replaced, cut to a readable length.</summary>
    public static string Printable(ReadOnlySpan<byte> name)
    {
        const int longest = 200;
        var text = Encoding.UTF8.GetString(name[..Math.Min(name.Length, longest)]);
        var clean = new StringBuilder(text.Length + 5).Append('"');
        foreach (var c in text)
        {
            clean.Append(char.IsControl(c) || c == '"' ? '?' : c);
        }

        return clean.Append(name.Length > longest ? "...\"" : "\"").ToString();
    }
}

internal readonly record struct ExtendedAttribute(string Name, byte[] Value);

internal readonly record struct DataExtent(long Offset, long Length);

/// <summary>A sequence of members with their content: tar or squashfs.</summary>
internal interface IArchiveReader : IDisposable
{
    /// <summary>The next member, or null after the last. What was left of the content of the one before is skipped.</summary>
    /// <exception cref="ImageRejectedException">The archive is damaged or ends early.</exception>
    ArchiveEntry? Next();

    /// <summary>Content of the current member: the data of its extents, one after the other; 0 at the end.</summary>
    int Read(Span<byte> buffer);
}
