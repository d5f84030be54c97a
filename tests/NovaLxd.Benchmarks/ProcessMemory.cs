using System.Globalization;
using System.Text.RegularExpressions;

namespace NovaLxd.Benchmarks;

/// <summary>What a process holds resident (proc_pid_smaps(5)), in bytes; <paramref name="Pss"/> counts shared pages by their share, <paramref name="Anonymous"/>
/// those with no file behind them.</summary>
internal readonly partial record struct ProcessMemory(long Rss, long Pss, long Anonymous)
{
    public static ProcessMemory Of(int pid)
    {
        var text = File.ReadAllText($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/smaps_rollup");
        return new ProcessMemory(Value("Rss"), Value("Pss"), Value("Anonymous"));

        long Value(string name) => long.Parse(
            Regex.Match(text, $@"^{name}:\s+(\d+) kB", RegexOptions.Multiline).Groups[1].Value, CultureInfo.InvariantCulture) * 1024;
    }

    /// <summary>Processes whose command line fits, by id.</summary>
    public static IEnumerable<(int Pid, string Command)> Find(Func<string, bool> fits)
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && ReadCommand(folder) is { Length: > 0 } command && fits(command))
            {
                yield return (pid, command);
            }
        }
    }

    /// <summary>Processor time used so far (proc_pid_stat(5): utime and stime, in hundredths of a second).</summary>
    public static TimeSpan ProcessorTime(int pid)
    {
        var stat = File.ReadAllText($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return TimeSpan.FromMilliseconds(10 * (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)));
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"RSS {Rss / 1048576.0:F2} MiB, PSS {Pss / 1048576.0:F2} MiB, anonymous {Anonymous / 1048576.0:F2} MiB");

    private static string ReadCommand(string folder)
    {
        try
        {
            return File.ReadAllText(Path.Combine(folder, "cmdline")).Replace('\0', ' ').Trim();
        }
        catch (IOException)
        {
            return ""; // Ended meanwhile.
        }
    }
}
