using NovaLxd.Virt.Engine;

namespace NovaLxd.Virt.Cgroups;

/// <summary>
/// What a guest is given of its cgroups. systemd as a container's init needs a writable tree of its own: v2's, or on v1 its own named hierarchy
/// (and v2's beside it where both exist), as its CGROUP_DELEGATION and CONTAINER_INTERFACE documents say. The other v1 controllers are
/// shown but not given: v1 was not made for delegation (a child of a throttled blkio group is not throttled), and nspawn does the same.
/// </summary>
internal static class CgroupDelegation
{
    private const string Root = "/sys/fs/cgroup";

    /// <summary>Guests cannot use up the host's memory by making cgroups (v2 only; v1 has no such limit).</summary>
    private const string MaxDescendants = "10000";

    private static readonly string[] LegacyFiles = ["", "cgroup.procs", "tasks", "notify_on_release", "cgroup.clone_children"];

    private static readonly string[] UnifiedFiles = ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"];

    /// <summary>Gives the directory and the files for making children to the container's root; the files of its limits stay the host's.</summary>
    public static void Delegate(ContainerCgroup cgroup, IdMap? owner)
    {
        foreach (var hierarchy in cgroup.Tree.Hierarchies)
        {
            var directory = cgroup.Directory(hierarchy);
            if (hierarchy.Unified)
            {
                CgroupFile.Write(Path.Combine(directory, "cgroup.max.descendants"), MaxDescendants);
            }

            if (owner is null || !IsDelegated(hierarchy))
            {
                continue;
            }

            foreach (var file in hierarchy.Unified ? UnifiedFiles.Concat(KernelsList()).Distinct() : LegacyFiles)
            {
                CgroupFile.ChangeOwner(Path.Combine(directory, file), owner.HostBase);
            }
        }
    }

    /// <summary>The steps of making <see cref="Root"/> inside, in order.</summary>
    public static IReadOnlyList<CgroupMount> GuestMounts(IReadOnlyList<CgroupHierarchy> hierarchies)
    {
        if (hierarchies is [{ Unified: true }])
        {
            return [new CgroupMount(Root, "cgroup2", "cgroup2", "", ReadOnly: false)];
        }

        var mounts = new List<CgroupMount> { new(Root, "tmpfs", "tmpfs", "mode=755,size=1m", ReadOnly: true) };
        foreach (var hierarchy in hierarchies)
        {
            if (hierarchy.Unified)
            {
                mounts.Add(new CgroupMount($"{Root}/unified", "cgroup2", "cgroup2", "", ReadOnly: false));
                continue;
            }

            var controllers = string.Join(',', hierarchy.Controllers);
            var folder = hierarchy.Name ?? controllers;
            var data = hierarchy.Name is null ? controllers : $"name={hierarchy.Name}";
            mounts.Add(new CgroupMount($"{Root}/{folder}", "cgroup", "cgroup", data, ReadOnly: !IsDelegated(hierarchy)));
            if (hierarchy.Controllers.Count > 1)
            {
                mounts.AddRange(hierarchy.Controllers.Select(controller => new CgroupMount($"{Root}/{controller}", "symlink", folder, "", false)));
            }
        }

        return mounts;
    }

    private static bool IsDelegated(CgroupHierarchy hierarchy) => hierarchy.Unified || hierarchy.Name == "systemd";

    /// <summary>What this kernel says may be given away (cgroups(7), /sys/kernel/cgroup/delegate).</summary>
    private static string[] KernelsList() =>
        CgroupFile.ReadOrNull("/sys/kernel/cgroup/delegate")?.Split('\n', StringSplitOptions.RemoveEmptyEntries) ?? [];
}
