namespace NovaLxd.Virt.Cgroups;

/// <summary>Finds out how this host is organised.</summary>
internal static class Cgroups
{
    /// <summary>From /proc/self/mountinfo: no path is taken for granted.</summary>
    /// <param name="stateDirectory">Folder of the containers' disks, whose device <c>Disk*PerSecond</c> limits are put on; null: such limits are not set.</param>
    /// <exception cref="HostUnsuitableException">No hierarchy is mounted.</exception>
    public static ICgroups Detect(string? stateDirectory = null) => Detect(
        File.ReadLines("/proc/self/mountinfo"),
        stateDirectory is null ? new StorageDevice(null, "no folder of disks was named") : StorageDevice.Find(stateDirectory));

    internal static CgroupTree Detect(IEnumerable<string> mountinfo, StorageDevice disk)
    {
        var hierarchies = CgroupHierarchy.Parse(mountinfo);
        return hierarchies.Count > 0
            ? new CgroupTree(hierarchies, disk)
            : throw new HostUnsuitableException(
                "No cgroup hierarchy is mounted. Boot with systemd, or mount cgroup2 on /sys/fs/cgroup (mount -t cgroup2 none /sys/fs/cgroup).");
    }
}
