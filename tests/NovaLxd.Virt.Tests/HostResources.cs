using System.Globalization;
using System.Text;

namespace NovaLxd.Virt.Tests;

/// <summary>
/// What a test may leave behind on a host: mounts, network links, cgroups, loop devices and processes, each described by one line. Taken
/// before and compared after, in every test of the root lane:
/// <code>
/// private readonly HostResources _before = HostResources.Take(folder, "nlt-1234");
/// public Task DisposeAsync() => _before.AssertUnchangedAsync();
/// </code>
/// The machine may be shared with other runs. A line counts when it contains one of the marks (a folder, a cgroup, the prefix of a link's
/// name); with no marks every line counts. Processes count when they descend from this one or carry a mark in command line or cgroup.
/// </summary>
internal sealed class HostResources
{
    private const string SysClassNet = "/sys/class/net";

    /// <summary>How long what a test has ended may take to go: as long as a slow machine's kernel and its reaper of orphans like.</summary>
    private static readonly TimeSpan DefaultPatience = TimeSpan.FromMinutes(3);

    private readonly string[] _marks;
    private readonly SortedSet<string> _lines;

    private HostResources(string[] marks)
    {
        _marks = marks;
        _lines = new SortedSet<string>(
            Mounts().Concat(Links()).Concat(Cgroups()).Concat(LoopDevices()).Where(IsOurs).Concat(Processes()),
            StringComparer.Ordinal);
    }

    /// <summary>The resources as they are now.</summary>
    public static HostResources Take(params string[] marks) => new(marks);

    /// <summary>Lines of kind and description: "mount /x ...", "link tap1 ...", "cgroup memory:/x", "loop /dev/loop0 ...", "process 1 ...".</summary>
    public IReadOnlyCollection<string> Lines => _lines;

    /// <summary>How <paramref name="after"/> differs: "+" for what is new, "-" for what is gone, a line each; empty when nothing.</summary>
    public string DifferenceTo(HostResources after)
    {
        var text = new StringBuilder();
        foreach (var line in after._lines.Except(_lines))
        {
            text.Append("+ ").AppendLine(line);
        }

        foreach (var line in _lines.Except(after._lines))
        {
            text.Append("- ").AppendLine(line);
        }

        return text.ToString();
    }

    /// <summary>
    /// Fails with the difference unless everything is as it was. The kernel ends namespaces and their links behind our back, and orphans are reaped by
    /// somebody else, so they are given <paramref name="patience"/> (default 3 minutes) to finish.
    /// </summary>
    public async Task AssertUnchangedAsync(TimeSpan? patience = null)
    {
        var waited = TimeProvider.System.GetTimestamp();
        string difference;
        while ((difference = DifferenceTo(Take(_marks))).Length > 0
            && TimeProvider.System.GetElapsedTime(waited) < (patience ?? DefaultPatience))
        {
            await Task.Delay(50);
        }

        Assert.True(difference.Length == 0, $"The host is not as it was before the test:\n{difference}");
    }

    private bool IsOurs(string line) => _marks.Length == 0 || _marks.Any(mark => line.Contains(mark, StringComparison.Ordinal));

    /// <summary>proc_pid_mountinfo(5): mount point, type, source and the file system's options, which name an overlay's layers.</summary>
    private static IEnumerable<string> Mounts()
    {
        foreach (var line in File.ReadLines("/proc/self/mountinfo"))
        {
            var halves = line.Split(" - ", 2);
            yield return $"mount {halves[0].Split(' ')[4]} {halves[1]}";
        }
    }

    /// <summary>Links of this network namespace, with alias and bridge.</summary>
    private static IEnumerable<string> Links()
    {
        foreach (var link in Directory.EnumerateFileSystemEntries(SysClassNet))
        {
            // As a link and not as what it leads to, which may go away while we look.
            var master = new DirectoryInfo(Path.Combine(link, "master")).LinkTarget;
            yield return $"link {Path.GetFileName(link)} alias '{ReadOrEmpty(Path.Combine(link, "ifalias")).Trim()}'"
                + (master is null ? "" : $" in {Path.GetFileName(master)}");
        }
    }

    private static IEnumerable<string> Cgroups()
    {
        var everywhere = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true };
        foreach (var line in File.ReadLines("/proc/self/mountinfo"))
        {
            var halves = line.Split(" - ", 2);
            if (!halves[1].StartsWith("cgroup", StringComparison.Ordinal))
            {
                continue;
            }

            var root = halves[0].Split(' ')[4];
            foreach (var folder in Directory.EnumerateDirectories(root, "*", everywhere))
            {
                yield return $"cgroup {Path.GetFileName(root)}:{folder[root.Length..]}";
            }
        }
    }

    private static IEnumerable<string> LoopDevices()
    {
        foreach (var device in Directory.EnumerateFileSystemEntries("/sys/block", "loop*"))
        {
            var file = ReadOrEmpty(Path.Combine(device, "loop/backing_file")).Trim();
            if (file.Length > 0)
            {
                yield return $"loop /dev/{Path.GetFileName(device)} {file}";
            }
        }
    }

    private IEnumerable<string> Processes()
    {
        var all = Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(name => char.IsAsciiDigit(name![0]))
            .Select(name => ReadProcess(int.Parse(name!, CultureInfo.InvariantCulture))).OfType<ProcessLine>().ToDictionary(p => p.Pid);
        foreach (var process in all.Values)
        {
            if (process.Pid != Environment.ProcessId && (Descends(process) || (_marks.Length > 0 && IsOurs(process.Text + process.Cgroups))))
            {
                yield return $"process {process.Pid} {process.Text}";
            }
        }

        bool Descends(ProcessLine process)
        {
            for (var p = process; p is not null; p = all.GetValueOrDefault(p.Parent))
            {
                if (p.Parent == Environment.ProcessId)
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>Null when the process is gone. The state is left out, as it changes without meaning, but for zombies.</summary>
    private static ProcessLine? ReadProcess(int pid)
    {
        var stat = ReadOrEmpty($"/proc/{pid}/stat");
        if (stat.Length == 0)
        {
            return null;
        }

        // proc_pid_stat(5): "pid (comm) state ppid ..."; comm may contain blanks and brackets.
        var rest = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        var name = stat[(stat.IndexOf('(', StringComparison.Ordinal) + 1)..stat.LastIndexOf(')')];
        var command = ReadOrEmpty($"/proc/{pid}/cmdline").Replace('\0', ' ').Trim();
        var text = $"{(rest[0] == "Z" ? "(zombie) " : "")}{(command.Length > 0 ? command : name)}";
        return new ProcessLine(pid, int.Parse(rest[1], CultureInfo.InvariantCulture), text, ReadOrEmpty($"/proc/{pid}/cgroup"));
    }

    private static string ReadOrEmpty(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return ""; // It went away while we looked, or has no such attribute.
        }
    }

    private sealed record ProcessLine(int Pid, int Parent, string Text, string Cgroups);
}
