using System.Text;

namespace NovaLxd.Configuration;

/// <summary>One <c>key = value</c> of a configuration file, and where it stands.</summary>
internal sealed record OsloConfigEntry(string Section, string Key, string Value, string File, int Line);

/// <summary>A configuration file that cannot be read as one; the message names the file and line.</summary>
internal sealed class ConfigurationException(string message) : Exception(message);

/// <summary>
/// Reads one file by the rules of oslo.config 9 (iniparser.py): comments only in column 0, values continued by indented lines, "=" or ":" (whichever
/// comes first) between key and value, a value wholly in quotes loses them, a key may be repeated.
/// </summary>
internal static class OsloConfigFile
{
    public static IReadOnlyList<OsloConfigEntry> Read(string path)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or DecoderFallbackException)
        {
            throw new ConfigurationException($"{path}: cannot be read: {e.Message}");
        }

        return Parse(path, lines);
    }

    public static IReadOnlyList<OsloConfigEntry> Parse(string path, IReadOnlyList<string> lines)
    {
        var entries = new List<OsloConfigEntry>();
        string? section = null;
        OsloConfigEntry? open = null;
        void Close()
        {
            if (open is not null)
            {
                entries.Add(open with { Value = Unquote(open.Value) });
                open = null;
            }
        }

        for (var i = 0; i < lines.Count; i++)
        {
            var line = lines[i].TrimEnd();
            if (line.Length == 0)
            {
                Close();
            }
            else if (line[0] is ' ' or '\t')
            {
                open = open is null
                    ? throw Fault(path, i, "an indented line continues the value above it, and there is none")
                    : open with { Value = open.Value + "\n" + line.Trim() };
            }
            else if (line[0] is '#' or ';')
            {
                continue;
            }
            else if (line[0] == '[')
            {
                Close();
                section = line[^1] == ']' && line.Length > 2 ? line[1..^1] : throw Fault(path, i, "a section name stands between [ and ]");
            }
            else
            {
                Close();
                open = ParseEntry(path, i, line, section);
            }
        }

        Close();
        return entries;
    }

    private static OsloConfigEntry ParseEntry(string path, int index, string line, string? section)
    {
        var separator = line.IndexOfAny(['=', ':']);
        return separator switch
        {
            < 0 => throw Fault(path, index, "expected \"option = value\""),
            0 => throw Fault(path, index, "the option has no name"),
            _ when section is null => throw Fault(path, index, "an option stands before the first [section]"),
            _ => new OsloConfigEntry(section, line[..separator].TrimEnd(), line[(separator + 1)..].Trim(), path, index + 1),
        };
    }

    private static string Unquote(string value) =>
        value.Length > 1 && value[0] is '"' or '\'' && value[^1] == value[0] && value.Length > 1 ? value[1..^1] : value;

    private static ConfigurationException Fault(string path, int index, string what) => new($"{path}:{index + 1}: {what}");
}
