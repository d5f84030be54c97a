using NovaLxd.Virt.Cgroups;

namespace NovaLxd.Virt.Tests.Cgroups;

public sealed class CgroupHierarchyTests
{
    private static readonly string[] HybridOfDebian =
    [
        "31 24 0:27 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,size=4096k,mode=755",
        "32 31 0:28 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate",
        "33 31 0:29 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup rw,xattr,name=systemd",
        "34 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:12 - cgroup cgroup rw,cpu,cpuacct",
        "35 31 0:31 / /sys/fs/cgroup/memory rw,nosuid shared:13 - cgroup cgroup rw,memory",
        "36 31 0:31 /some/group /elsewhere rw,nosuid shared:13 - cgroup cgroup rw,memory",
        "37 31 0:31 / /second rw,nosuid shared:13 - cgroup cgroup rw,memory",
        "38 31 0:32 / /sys/fs/cgroup/elogind rw,nosuid shared:14 - cgroup cgroup rw,name=elogind",
    ];

    [Fact]
    public void EachHierarchyIsFoundOnceAndV2Last() => Assert.Equal(
        ["/sys/fs/cgroup/systemd (systemd)", "/sys/fs/cgroup/cpu,cpuacct (cpu,cpuacct)", "/sys/fs/cgroup/memory (memory)", "/sys/fs/cgroup/unified ()"],
        CgroupHierarchy.Parse(HybridOfDebian).Select(hierarchy => hierarchy with { Controllers = hierarchy.Unified ? [] : hierarchy.Controllers })
            .Select(hierarchy => hierarchy.ToString()));

    [Fact]
    public void TheLayoutIsToldFromWhatIsMounted()
    {
        var disk = new StorageDevice("8:0", null);
        Assert.Equal("hybrid", Virt.Cgroups.Cgroups.Detect(HybridOfDebian, disk).Layout);
        Assert.Equal("v1", Virt.Cgroups.Cgroups.Detect(HybridOfDebian.Where(line => !line.Contains("cgroup2", StringComparison.Ordinal)), disk).Layout);
        Assert.Equal("v2", Virt.Cgroups.Cgroups.Detect(["30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"], disk).Layout);
        Assert.Throws<HostUnsuitableException>(() => Virt.Cgroups.Cgroups.Detect(["22 27 0:21 / /proc rw - proc proc rw"], disk));
    }

    [Fact]
    public void WhatTheHostCannotEnforceIsSaid()
    {
        var warnings = Virt.Cgroups.Cgroups.Detect(HybridOfDebian, new StorageDevice(null, "x is on tmpfs")).Warnings;
        Assert.Contains(warnings, warning => warning.Contains("the pids controller", StringComparison.Ordinal));
        Assert.DoesNotContain(warnings, warning => warning.Contains("the memory controller", StringComparison.Ordinal));
    }

    [Fact]
    public void BlanksInAMountPointAreRead() => Assert.Equal("/a b\\c", CgroupHierarchy.Unescape("/a\\040b\\134c"));

    [Fact]
    public void TheGuestSeesTheSameLayout()
    {
        Assert.Equal(
            [
                "tmpfs /sys/fs/cgroup 'mode=755,size=1m' ro", "cgroup /sys/fs/cgroup/systemd 'name=systemd' rw",
                "cgroup /sys/fs/cgroup/cpu,cpuacct 'cpu,cpuacct' ro", "symlink /sys/fs/cgroup/cpu '' rw", "symlink /sys/fs/cgroup/cpuacct '' rw",
                "cgroup /sys/fs/cgroup/memory 'memory' ro", "cgroup2 /sys/fs/cgroup/unified '' rw",
            ],
            Mounts(HybridOfDebian));
        Assert.Equal(["cgroup2 /sys/fs/cgroup '' rw"], Mounts(["30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"]));

        static IEnumerable<string> Mounts(string[] mountinfo) => CgroupDelegation.GuestMounts(CgroupHierarchy.Parse(mountinfo))
            .Select(mount => $"{mount.Type} {mount.Target} '{mount.Data}' {(mount.ReadOnly ? "ro" : "rw")}");
    }
}
