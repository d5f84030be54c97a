using NovaLxd.Virt;
using NovaLxd.Virt.Cgroups;
using NovaLxd.Virt.Engine;

namespace NovaLxd.Benchmarks.Floor;

/// <summary>
/// What floor.c is told: the same root, cgroups, limits, devices, mounts, masks and filter that the supervisor gives a container of
/// <see cref="BenchmarkHost.Limits"/>, a line each, fields separated by tabs.
/// </summary>
internal static class FloorPlan
{
    private const uint HostBase = 1_900_000_000;
    private static readonly string[] LegacyOwned = ["", "cgroup.procs", "tasks", "notify_on_release", "cgroup.clone_children"];
    private static readonly string[] UnifiedOwned = ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"];

    public static IEnumerable<string> Build(string imageRoot, string folder, string filterPath)
    {
        var hierarchies = CgroupHierarchy.Parse(File.ReadLines("/proc/self/mountinfo"));
        return
        [
            Line("lower", imageRoot), Line("base", folder), Line("bridge", BenchmarkHost.Bridge), Line("staging", Path.Combine(folder, "staging")),
            Line("host", $"{BenchmarkHost.Mark}h"), Line("peer", $"{BenchmarkHost.Mark}p"), Line("hostname", "guest"), Line("mac", "fa:16:3e:00:00:01"),
            Line("ids", $"{HostBase}"), Line("filter", filterPath),
            .. hierarchies.SelectMany(Cgroup),
            .. CgroupDelegation.GuestMounts(hierarchies).Select(mount => Line("cgroupmount", mount.Target, mount.Type, mount.Source, mount.Data, mount.ReadOnly ? "1" : "0")),
            .. LaunchPlan.Devices.Where(device => File.Exists($"/dev/{device}")).Select(device => Line("device", device)),
            .. LaunchPlan.MaskedFiles.Where(File.Exists).Select(file => Line("maskfile", file)),
            .. LaunchPlan.MaskedDirectories.Where(Directory.Exists).Select(masked => Line("maskfolder", masked)),
            .. LaunchPlan.ReadOnlyPaths.Where(Path.Exists).Select(path => Line("readonly", path)),
        ];
    }

    /// <summary>The folder of this hierarchy, what is written into it, and what is the container's own in it.</summary>
    private static IEnumerable<string> Cgroup(CgroupHierarchy hierarchy)
    {
        var parent = Path.Combine(hierarchy.MountPoint, BenchmarkHost.Mark);
        var folder = Path.Combine(parent, "floor");
        yield return Line("cgroup", folder);
        if (!hierarchy.Unified && hierarchy.Controllers.Contains("cpuset"))
        {
            yield return Line("limit", Path.Combine(folder, "cpuset.cpus"), File.ReadAllText(Path.Combine(parent, "cpuset.cpus")).Trim());
            yield return Line("limit", Path.Combine(folder, "cpuset.mems"), File.ReadAllText(Path.Combine(parent, "cpuset.mems")).Trim());
        }

        foreach (var write in LimitPlan.For(BenchmarkHost.Limits, _ => hierarchy.Unified, reset: false, device: null))
        {
            if (hierarchy.Controllers.Contains(write.Controller))
            {
                yield return Line("limit", Path.Combine(folder, write.File), write.Value);
            }
        }

        if (!hierarchy.Unified && hierarchy.Controllers.Contains("devices"))
        {
            yield return Line("limit", Path.Combine(folder, "devices.deny"), "a");
            foreach (var rule in DeviceFilter.SystemContainer)
            {
                yield return Line("limit", Path.Combine(folder, "devices.allow"), rule.ToString());
            }
        }

        if (hierarchy.Unified || hierarchy.Name == "systemd")
        {
            foreach (var file in hierarchy.Unified ? UnifiedOwned : LegacyOwned)
            {
                yield return Line("owned", Path.Combine(folder, file));
            }
        }
    }

    private static string Line(params string[] fields) => string.Join('\t', fields);
}
