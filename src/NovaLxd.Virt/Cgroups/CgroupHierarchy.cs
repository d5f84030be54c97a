using System.Globalization;
using System.Text;

namespace NovaLxd.Virt.Cgroups;

/// <summary>A mounted cgroup hierarchy. <paramref name="Controllers"/> are the kernel's names; <paramref name="Name"/> is a v1 named hierarchy's ("systemd").</summary>
internal sealed record CgroupHierarchy(string MountPoint, bool Unified, IReadOnlyList<string> Controllers, string? Name)
{
    private static readonly string[] KnownControllers =
        ["cpuset", "cpu", "cpuacct", "blkio", "memory", "devices", "freezer", "net_cls", "perf_event", "net_prio", "hugetlb", "pids", "rdma", "misc"];

    /// <summary>
    /// The hierarchies among the lines of /proc/self/mountinfo (proc_pid_mountinfo(5)), each once, v1 before v2. A v2 hierarchy has the controllers of
    /// its cgroup.controllers file. Named v1 hierarchies other than systemd's are nobody's business here.
    /// </summary>
    public static IReadOnlyList<CgroupHierarchy> Parse(IEnumerable<string> mountinfo)
    {
        var legacy = new Dictionary<string, CgroupHierarchy>();
        CgroupHierarchy? unified = null;
        foreach (var line in mountinfo)
        {
            var halves = line.Split(" - ", 2);
            var mount = halves[0].Split(' ');
            var fileSystem = halves.Length > 1 ? halves[1].Split(' ') : [];
            if (fileSystem.Length < 3 || mount.Length < 5 || mount[3] != "/")
            {
                continue; // Not a line, or a subtree of a hierarchy bound elsewhere.
            }

            var mountPoint = Unescape(mount[4]);
            if (fileSystem[0] == "cgroup2")
            {
                unified ??= new CgroupHierarchy(mountPoint, true, ReadControllers(mountPoint), null);
            }
            else if (fileSystem[0] == "cgroup")
            {
                var options = fileSystem[2].Split(',');
                var controllers = options.Where(option => KnownControllers.Contains(option)).ToArray();
                var name = options.FirstOrDefault(option => option.StartsWith("name=", StringComparison.Ordinal))?[5..];
                if (controllers.Length > 0 || name == "systemd")
                {
                    legacy.TryAdd(controllers.Length > 0 ? controllers[0] : "", new CgroupHierarchy(mountPoint, false, controllers, name));
                }
            }
        }

        return unified is null ? [.. legacy.Values] : [.. legacy.Values, unified];
    }

    private static string[] ReadControllers(string mountPoint) =>
        CgroupFile.ReadOrNull(Path.Combine(mountPoint, "cgroup.controllers"))?.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) ?? [];

    /// <summary>Blanks and backslashes are written as three octal digits there.</summary>
    internal static string Unescape(string path)
    {
        if (!path.Contains('\\', StringComparison.Ordinal))
        {
            return path;
        }

        var text = new StringBuilder();
        for (var i = 0; i < path.Length; i++)
        {
            if (path[i] == '\\' && i + 3 < path.Length)
            {
                text.Append((char)Convert.ToInt32(path.Substring(i + 1, 3), 8));
                i += 3;
            }
            else
            {
                text.Append(path[i]);
            }
        }

        return text.ToString();
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{MountPoint} ({string.Join(',', Controllers)}{Name})");
}
