namespace NovaLxd.Benchmarks;

/// <summary>What on this host carries a mark in its name: mounts, links, cgroups, loop devices, processes. None may be left at the end.</summary>
internal static class Leavings
{
    public static IReadOnlyList<string> Find(string mark) =>
    [
        .. File.ReadLines("/proc/self/mountinfo").Where(line => Carries(line, mark)).Select(line => $"mount {line}"),
        .. Directory.EnumerateFileSystemEntries("/sys/class/net").Where(link => Carries(link, mark)).Select(link => $"link {Path.GetFileName(link)}"),
        .. Cgroups(mark).Select(folder => $"cgroup {folder}"),
        .. Directory.EnumerateFileSystemEntries("/sys/block", "loop*").Select(device => (device, File: BackingFile(device)))
            .Where(loop => Carries(loop.File, mark)).Select(loop => $"loop {loop.device} {loop.File}"),
        .. ProcessMemory.Find(command => Carries(command, mark)).Select(process => $"process {process.Pid} {process.Command}"),
    ];

    private static bool Carries(string text, string mark) => text.Contains(mark, StringComparison.Ordinal);

    private static IEnumerable<string> Cgroups(string mark) => Directory.EnumerateDirectories("/sys/fs/cgroup")
        .SelectMany(hierarchy => Directory.EnumerateDirectories(hierarchy)).Where(folder => Carries(folder, mark));

    private static string BackingFile(string device)
    {
        try
        {
            return File.ReadAllText(Path.Combine(device, "loop/backing_file")).Trim();
        }
        catch (IOException)
        {
            return ""; // Not attached.
        }
    }
}
