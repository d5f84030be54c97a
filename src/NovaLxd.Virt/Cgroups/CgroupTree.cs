using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Cgroups;

/// <summary>The mounted hierarchies, and making and removing directories in all of them alike.</summary>
internal sealed class CgroupTree : ICgroups
{
    /// <summary>Controllers of v2 that containers are given where the host has them.</summary>
    private static readonly string[] DelegatedControllers = ["cpu", "cpuset", "memory", "pids", "io", "hugetlb"];

    private readonly CgroupHierarchy[] _hierarchies;

    internal CgroupTree(IReadOnlyList<CgroupHierarchy> hierarchies, StorageDevice disk)
    {
        _hierarchies = [.. hierarchies];
        Disk = disk;
        Unified = _hierarchies.FirstOrDefault(h => h.Unified);
        Layout = Unified is null ? "v1" : _hierarchies.Length > 1 ? "hybrid" : "v2";
        Warnings = [.. FindWarnings()];
    }

    public string Layout { get; }

    public IReadOnlyList<string> Warnings { get; }

    internal IReadOnlyList<CgroupHierarchy> Hierarchies => _hierarchies;

    internal CgroupHierarchy? Unified { get; }

    internal StorageDevice Disk { get; }

    /// <summary>The hierarchy with a controller by its v2 name; v1 calls "io" blkio.</summary>
    internal CgroupHierarchy? Find(string controller)
    {
        foreach (var hierarchy in _hierarchies)
        {
            if (hierarchy.Controllers.Contains(controller == "io" && !hierarchy.Unified ? "blkio" : controller))
            {
                return hierarchy;
            }
        }

        return null;
    }

    public ContainerCgroup Open(string parent, string name) => new(this, $"{parent.Trim('/')}/{name}");

    public ContainerCgroup Create(string parent, string name, ResourceLimits limits, IdMap? owner)
    {
        var cgroup = Open(parent, name);
        if (cgroup.Exists)
        {
            if (cgroup.Processes() is { Count: > 0 } running)
            {
                throw new ContainerStateException(
                    $"Cgroup {cgroup.Path} is in use by {running.Count} process(es), {running[0]} among them: stop the container first.");
            }

            cgroup.Remove();
        }

        try
        {
            foreach (var hierarchy in _hierarchies)
            {
                MakeDirectory(hierarchy, cgroup.Path);
            }

            cgroup.SetLimits(limits, reset: false);
            cgroup.RestrictDevices(DeviceFilter.SystemContainer);
            CgroupDelegation.Delegate(cgroup, owner);
            return cgroup;
        }
        catch
        {
            cgroup.Remove();
            throw;
        }
    }

    public void RemoveParent(string parent)
    {
        foreach (var hierarchy in _hierarchies)
        {
            var error = CgroupFile.TryRemoveDirectory(Path.Combine(hierarchy.MountPoint, parent.Trim('/')));
            if (error != 0 && error != ENOENT && error != EBUSY && error != ENOTEMPTY)
            {
                throw new KernelException(error, "rmdir", Path.Combine(hierarchy.MountPoint, parent));
            }
        }
    }

    /// <summary>Makes every missing directory of the path, each ready for the next: v2's controllers enabled, v1's cpuset filled.</summary>
    private static void MakeDirectory(CgroupHierarchy hierarchy, string path)
    {
        var directory = hierarchy.MountPoint;
        foreach (var part in path.Split('/'))
        {
            if (hierarchy.Unified)
            {
                EnableControllers(directory, hierarchy);
            }

            var above = directory;
            directory = Path.Combine(directory, part);
            var error = CgroupFile.TryMakeDirectory(directory);
            if (error != 0 && error != EEXIST)
            {
                throw new KernelException(error, "mkdir", directory);
            }

            if (!hierarchy.Unified && hierarchy.Controllers.Contains("cpuset"))
            {
                InheritWhenEmpty(above, directory, "cpuset.cpus");
                InheritWhenEmpty(above, directory, "cpuset.mems");
            }
        }
    }

    /// <summary>Gives children of the directory what the hierarchy has; one order for all, and one by one when the kernel refuses one of them.</summary>
    internal static void EnableControllers(string directory, CgroupHierarchy hierarchy)
    {
        var file = Path.Combine(directory, "cgroup.subtree_control");
        var enabled = (CgroupFile.ReadOrNull(file) ?? "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        var missing = DelegatedControllers.Where(controller => hierarchy.Controllers.Contains(controller) && !enabled.Contains(controller)).ToArray();
        if (missing.Length == 0 || CgroupFile.TryWrite(file, string.Join(' ', missing.Select(controller => "+" + controller))) == 0)
        {
            return;
        }

        foreach (var controller in missing)
        {
            // A refusal shows later, and only where a limit of this controller is asked for: its file is not there.
            _ = CgroupFile.TryWrite(file, "+" + controller);
        }
    }

    /// <summary>A v1 cpuset is born empty, and no process can enter it before it has processors and memory nodes (cpuset(7)).</summary>
    private static void InheritWhenEmpty(string above, string directory, string file)
    {
        var path = Path.Combine(directory, file);
        if (string.IsNullOrWhiteSpace(CgroupFile.Read(path)))
        {
            CgroupFile.Write(path, CgroupFile.Read(Path.Combine(above, file)).Trim());
        }
    }

    private IEnumerable<string> FindWarnings()
    {
        foreach (var (controller, limit) in new[]
            { ("cpu", "processor"), ("cpuset", "processor set"), ("memory", "memory"), ("pids", "process"), ("io", "disk throughput") })
        {
            if (Find(controller) is null)
            {
                yield return $"No cgroup hierarchy has the {controller} controller: {limit} limits of containers are not enforced.";
            }
        }

        if (Find("io") is not null && Disk is { Number: null, Problem: { } problem })
        {
            yield return $"Disk throughput limits of containers are not enforced: {problem}.";
        }

        if (Find("io") is { Unified: false })
        {
            yield return "Disk throughput limits reach reads and direct writes only: cgroup v1 does not attribute buffered writes. Boot with cgroup v2.";
        }

        if (Find("memory") is { Unified: false } memory && !File.Exists(Path.Combine(memory.MountPoint, "memory.memsw.limit_in_bytes")))
        {
            yield return "Swap limits of containers are not enforced: boot with swapaccount=1, or with cgroup v2.";
        }

        if (Layout == "v1" && _hierarchies.All(h => h.Name != "systemd"))
        {
            yield return "Guests with systemd cannot boot: mount its hierarchy "
                + "(mkdir /sys/fs/cgroup/systemd; mount -t cgroup -o none,name=systemd systemd /sys/fs/cgroup/systemd), or boot with cgroup v2.";
        }

        if (Find("devices") is null && Unified is null)
        {
            yield return "No cgroup hierarchy can filter devices: containers are kept from devices by their user namespace alone.";
        }
    }
}
