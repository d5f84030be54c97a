using System.Globalization;

namespace NovaLxd.Virt.Host;

/// <summary>Reads /proc/cpuinfo. Pure.</summary>
internal static class ProcCpuInfo
{
    public static CpuInfo Parse(string text)
    {
        var processors = text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(Fields)
            .Where(fields => fields.ContainsKey("processor")).ToArray();
        var first = processors.FirstOrDefault() ?? [];
        var sockets = Math.Max(1, processors.Select(fields => fields.GetValueOrDefault("physical id", "0")).Distinct().Count());
        var cores = Number(first.GetValueOrDefault("cpu cores")) ?? Math.Max(1, processors.Length / sockets);
        var threads = Number(first.GetValueOrDefault("siblings")) is { } siblings ? Math.Max(1, siblings / cores) : 1;
        return new CpuInfo(
            Vendor(first),
            first.GetValueOrDefault("model name") ?? first.GetValueOrDefault("CPU part") ?? "unknown",
            sockets,
            cores,
            threads,
            (first.GetValueOrDefault("flags") ?? first.GetValueOrDefault("Features") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries));
    }

    private static Dictionary<string, string> Fields(string block)
    {
        var fields = new Dictionary<string, string>();
        foreach (var line in block.Split('\n'))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0)
            {
                fields.TryAdd(line[..colon].Trim(), line[(colon + 1)..].Trim());
            }
        }

        return fields;
    }

    /// <summary>libvirt's names of the makers (its cpu_map); what it does not know stays as it is.</summary>
    private static string Vendor(Dictionary<string, string> fields) =>
        (fields.GetValueOrDefault("vendor_id") ?? fields.GetValueOrDefault("CPU implementer")) switch
        {
            "GenuineIntel" => "Intel",
            "AuthenticAMD" => "AMD",
            "HygonGenuine" => "Hygon",
            "0x41" => "ARM",
            { } other => other,
            null => "unknown",
        };

    private static int? Number(string? text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 ? number : null;
}

/// <summary>Reads /proc/meminfo. Pure.</summary>
internal static class ProcMemInfo
{
    /// <summary>Total bytes, and those in use: all but MemAvailable, as what the page cache can give back is not in use.</summary>
    public static (long Total, long Used) Parse(string text)
    {
        var (total, available) = (0L, 0L);
        foreach (var line in text.Split('\n'))
        {
            if (line.StartsWith("MemTotal:", StringComparison.Ordinal))
            {
                total = Bytes(line);
            }
            else if (line.StartsWith("MemAvailable:", StringComparison.Ordinal))
            {
                available = Bytes(line);
            }
        }

        return (total, total - available);
    }

    /// <summary>"MemTotal:       24668984 kB".</summary>
    private static long Bytes(string line) => 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
}
