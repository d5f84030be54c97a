using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace NovaLxd.Virt.Storage.Archives;

/// <summary>
/// Extended header records of the pax format (POSIX.1-2001 pax(1)): "length key=value\n". Values are bytes: a capability is no text. A key that occurs
/// more than once keeps all values in order, as the sparse format 0.0 needs; everywhere else the last one counts.
/// </summary>
internal sealed class PaxRecords
{
    private const string SchilyAttribute = "SCHILY.xattr.";
    private const string LibarchiveAttribute = "LIBARCHIVE.xattr.";

    private readonly List<(string Key, byte[] Value)> _records = [];

    public void Clear() => _records.Clear();

    public void Add(PaxRecords other) => _records.AddRange(other._records);

    /// <summary>Reads the content of a type 'x' or 'g' member.</summary>
    public void Parse(ReadOnlySpan<byte> content)
    {
        while (!content.IsEmpty)
        {
            if (!Utf8Parser.TryParse(content, out int length, out var digits) || length <= digits + 2 || length > content.Length
                || content[digits] != ' ' || content[length - 1] != '\n')
            {
                throw Damaged();
            }

            var record = content[(digits + 1)..(length - 1)];
            var separator = record.IndexOf((byte)'=');
            if (separator <= 0)
            {
                throw Damaged();
            }

            _records.Add((Encoding.UTF8.GetString(record[..separator]), record[(separator + 1)..].ToArray()));
            content = content[length..];
        }
    }

    public byte[]? Find(string key) => _records.FindLast(record => record.Key == key).Value;

    public IEnumerable<(string Key, byte[] Value)> All => _records;

    public long? FindNumber(string key) => Find(key) is { } value ? ParseNumber(key, value) : null;

    /// <summary>"1350244992.023960108": seconds and the fraction in nanoseconds, also of times before 1970.</summary>
    public (long Seconds, long Nanoseconds)? FindTime(string key)
    {
        if (Find(key) is not { } value)
        {
            return null;
        }

        var text = Encoding.ASCII.GetString(value);
        if (!decimal.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var time)
            || time is < long.MinValue or > long.MaxValue)
        {
            throw Damaged();
        }

        var seconds = decimal.Floor(time);
        return ((long)seconds, (long)((time - seconds) * 1_000_000_000));
    }

    /// <summary>Both spellings in use: GNU tar and star write the value as it is, libarchive as base 64 (without padding).</summary>
    public IReadOnlyList<ExtendedAttribute> ExtendedAttributes()
    {
        var found = new Dictionary<string, byte[]>();
        foreach (var (key, value) in _records)
        {
            if (key.StartsWith(LibarchiveAttribute, StringComparison.Ordinal))
            {
                found.TryAdd(Uri.UnescapeDataString(key[LibarchiveAttribute.Length..]), FromBase64(value));
            }
            else if (key.StartsWith(SchilyAttribute, StringComparison.Ordinal))
            {
                found[key[SchilyAttribute.Length..]] = value;
            }
        }

        return [.. found.Select(pair => new ExtendedAttribute(pair.Key, pair.Value))];
    }

    internal static long ParseNumber(string key, ReadOnlySpan<byte> value) =>
        Utf8Parser.TryParse(value, out long number, out var used) && used == value.Length && number >= 0
            ? number
            : throw new ImageRejectedException($"The archive is damaged: pax record {key} is not a number.");

    private static byte[] FromBase64(byte[] value)
    {
        var text = Encoding.ASCII.GetString(value).TrimEnd('=', '\n');
        try
        {
            return Convert.FromBase64String(text.PadRight((text.Length + 3) / 4 * 4, '='));
        }
        catch (FormatException)
        {
            throw Damaged();
        }
    }

    private static ImageRejectedException Damaged() => new("The archive is damaged: an extended header is malformed.");
}
