using System.Globalization;

namespace NovaLxd.Virt.Cgroups;

/// <summary>One value for one file of a controller, and how it is recognised when it is read back.</summary>
internal readonly record struct LimitWrite(string Controller, string File, string Value, ReadBack ReadBack)
{
    /// <summary>Whether <paramref name="content"/>, read from the file after the write, says the same.</summary>
    public bool IsConfirmedBy(string content)
    {
        var read = content.Trim();
        return ReadBack switch
        {
            ReadBack.Exact => read == Value,
            ReadBack.Bytes => SameBytes(read),
            ReadBack.Processors => ProcessorList.Parse(read).SetEquals(ProcessorList.Parse(Value)),
            ReadBack.DeviceLine => SameDeviceLine(read),
            _ => true,
        };
    }

    /// <summary>The kernel counts in pages (at most 64 KiB) and rounds down.</summary>
    private bool SameBytes(string read) =>
        long.TryParse(read, NumberStyles.None, CultureInfo.InvariantCulture, out var actual)
        && long.Parse(Value, CultureInfo.InvariantCulture) - actual is >= 0 and < 65536;

    /// <summary>Every word of the value stands in the device's line, in the kernel's own order (io.max), or the line is the value (v1).</summary>
    private bool SameDeviceLine(string read)
    {
        var wanted = Value.Split(' ');
        var line = read.Split('\n').Select(l => l.Trim().Split(' ')).FirstOrDefault(words => words[0] == wanted[0]);
        return line is not null && wanted.All(word => line.Contains(word));
    }
}

internal enum ReadBack
{
    /// <summary>The same text.</summary>
    Exact,

    /// <summary>The same number of bytes, but for rounding to pages.</summary>
    Bytes,

    /// <summary>The same set of processors.</summary>
    Processors,

    /// <summary>The line of the device has the same values.</summary>
    DeviceLine,

    /// <summary>Not read back: a step on the way, or back to "no limit".</summary>
    None,
}

/// <summary>List format of cpuset(7): "0-3,8".</summary>
internal static class ProcessorList
{
    /// <exception cref="FormatException">Not such a list.</exception>
    public static HashSet<int> Parse(string text)
    {
        var processors = new HashSet<int>();
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var ends = part.Split('-');
            if (ends.Length > 2 || !TryParse(ends[0], out var first) || !TryParse(ends[^1], out var last) || last < first || last > 65535)
            {
                throw new FormatException($"'{text}' is not a list of processors such as \"0-3,8\".");
            }

            for (var i = first; i <= last; i++)
            {
                processors.Add(i);
            }
        }

        return processors;
    }

    private static bool TryParse(string text, out int number) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
