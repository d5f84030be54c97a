using NovaLxd.Virt.Cgroups;
using NovaLxd.Virt.Drives;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Network;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Tests.Engine;

public sealed class LaunchPlanTests
{
    private static readonly LaunchSpec Spec = new()
    {
        Id = Guid.Parse("6f8a2c1e-0000-4000-8000-000000000001"),
        Name = "instance-00000001",
        Hostname = "web1",
        Root = new RootfsMount(["/images/a"], "/containers/1/upper", "/containers/1/work"),
        IdMap = new IdMap(1_000_000, 65536),
        Init = ["/sbin/init", "--unit=x"],
        Environment = new Dictionary<string, string> { ["TERM"] = "vt220" },
        Nics = [new ContainerNic(Guid.NewGuid(), "tap1", "nlx1", "eth0", "fa:16:3e:00:00:01", 1450)],
        ConsoleLogPath = "/containers/1/console.log",
        ConsoleLogBytes = 65536,
        LxcfsPath = "/var/lib/lxcfs",
        CgroupParent = "novalxd",
    };

    private static readonly LaunchInputs Inputs = new()
    {
        RootMount = 7,
        Channel = 9,
        StagingDirectory = "/run/novalxd/rootfs",
        Devices = ["null", "net/tun"],
        MaskedFiles = ["/proc/kcore"],
        MaskedDirectories = ["/sys/firmware"],
        ReadOnlyPaths = ["/proc/sysrq-trigger"],
        BootId = Guid.Parse("11111111-2222-3333-4444-555555555555"),
        LxcfsFiles = ["proc/meminfo"],
        CgroupMounts = [new CgroupMount("/sys/fs/cgroup", "cgroup2", "cgroup2", "", false)],
        OpenFilesLimit = 4096,
        DroppedCapabilities = [16, 17],
        Seccomp = new byte[24],
        AppArmorProfile = "novalxd-container",
    };

    private static readonly List<string> Lines = [.. LaunchPlan.Print(LaunchPlan.Build(Spec, Inputs)).Split('\n')];

    [Fact]
    public void ReadsAsAListOfSystemCalls()
    {
        Assert.Equal("setsid()", Lines[0]);
        Assert.Contains("move_mount(7, \"\", -100, \"/run/novalxd/rootfs\", MOVE_MOUNT_F_EMPTY_PATH)", Lines);
        Assert.Contains("pivot_root(\".\", \".\")", Lines);
        Assert.Contains("mount(\"dev/net/tun\", \"/dev/net/tun\", NULL, MS_BIND, NULL)", Lines);
        Assert.Contains("mount(\"var/lib/lxcfs/proc/meminfo\", \"/proc/meminfo\", NULL, MS_BIND, NULL)", Lines);
        Assert.Contains("mount(\"dev/null\", \"/proc/kcore\", NULL, MS_BIND, NULL)", Lines);
        Assert.Contains("sethostname(\"web1\", 4)", Lines);
        Assert.Contains("ioctl(<socket>, SIOCSIFFLAGS, {\"eth0\", IFF_UP})", Lines);
        Assert.StartsWith("execve(\"/sbin/init\", [\"/sbin/init\", \"--unit=x\"], [", Lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void NothingIsTouchedBeforeTheParentSaysGo()
    {
        var go = Lines.FindIndex(line => line.StartsWith("read(9, ", StringComparison.Ordinal));
        Assert.All(Lines[..go], line => Assert.Matches("^(setsid|rt_sigaction|rt_sigprocmask)", line));
    }

    [Fact]
    public void InterfacesAreWaitedForOnlyWhenAllElseIsMounted()
    {
        var second = Lines.FindLastIndex(line => line.StartsWith("read(9, ", StringComparison.Ordinal));
        Assert.InRange(second, Lines.IndexOf("umount2(\".\", MNT_DETACH)"), Lines.FindIndex(line => line.Contains("SIOCSIFFLAGS", StringComparison.Ordinal)));
        Assert.DoesNotContain(Lines[second..], line => line.StartsWith("mount(", StringComparison.Ordinal));
    }

    [Fact]
    public void TheHostsTreeIsLeftBeforeInitGetsItsStreamsAndLimitsComeLast()
    {
        string[] order =
        [
            "pivot_root", "setresuid(0, 0, 0)", "mount(\"proc\"", "umount2(\".\", MNT_DETACH)", "sendmsg(9", "prctl(PR_CAPBSET_DROP, 16", "prctl(PR_CAPBSET_DROP, 17",
            "write(<openat>, \"exec novalxd-container\"", "close_range(3, ~0U, CLOSE_RANGE_CLOEXEC)", "seccomp(SECCOMP_SET_MODE_FILTER, 0, {3 instructions})", "execve",
        ];
        var places = order.Select(start => Lines.FindIndex(line => line.StartsWith(start, StringComparison.Ordinal))).ToArray();
        Assert.DoesNotContain(-1, places);
        Assert.Equal(places.Order(), places);
        Assert.Equal(Lines.Count - 1, places[^1]);
    }

    [Fact]
    public void WhatIsVisibleOfTheKernelCannotBeWrittenButTheNetworksSettings()
    {
        foreach (var path in new[] { "/proc/sys", "/proc/sysrq-trigger", "/sys" })
        {
            Assert.Contains($"mount(NULL, \"{path}\", NULL, MS_REMOUNT|MS_BIND|MS_RDONLY|MS_NOSUID|MS_NODEV|MS_NOEXEC, NULL)", Lines);
        }

        var writable = Lines.IndexOf("mount(\"/proc/sys/net\", \"/proc/sys/net\", NULL, MS_BIND, NULL)");
        Assert.InRange(writable, 1, Lines.FindIndex(line => line.StartsWith("mount(NULL, \"/proc/sys\"", StringComparison.Ordinal)));
    }

    [Fact]
    public void TheEnvironmentIsTheSpecsOverTheUsual()
    {
        Assert.Contains("\"container=lxc\"", Lines[^1], StringComparison.Ordinal);
        Assert.Contains($"\"container_uuid={Spec.Id}\"", Lines[^1], StringComparison.Ordinal);
        Assert.Contains("\"TERM=vt220\"", Lines[^1], StringComparison.Ordinal);
        Assert.DoesNotContain("TERM=linux", Lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void WithoutAnInitTheUsualOnesAreTried()
    {
        var steps = LaunchPlan.Build(Spec with { Init = [] }, Inputs);
        Assert.Equal(
            ["/sbin/init", "/lib/systemd/systemd", "/etc/init", "/bin/init"],
            steps.TakeLast(4).Select(step => ((Argument.Text)step.Arguments[0]).Value));
        Assert.Equal([SyscallStep.AnyResult, SyscallStep.AnyResult, SyscallStep.AnyResult, 0], steps.TakeLast(4).Select(step => step.Least));
    }

    [Fact]
    public void OnlyAPrivilegedOneHasNoUserNamespace()
    {
        const ulong NewUser = 0x1000_0000;
        Assert.Equal(NewUser, LaunchPlan.CloneFlags(Spec) & NewUser);
        Assert.Equal(0UL, LaunchPlan.CloneFlags(Spec with { IdMap = null }) & NewUser);
    }

    [Fact]
    public void ADriveIsMountedBeforeAnyPathLeadsToTheHostAndLinkedByItsLabel()
    {
        Assert.DoesNotContain(Lines, line => line.Contains("config-drive", StringComparison.Ordinal));
        var drive = new DriveMount(["/containers/1/drive/files", "/containers/1/drive/image"], "/config-drive", "config-2", "disk.config");
        var lines = LaunchPlan.Print(LaunchPlan.Build(Spec with { Drive = drive }, Inputs with { DriveMount = 11 })).Split('\n').ToList();
        var mounted = lines.IndexOf("move_mount(11, \"\", -100, \"/config-drive\", MOVE_MOUNT_F_EMPTY_PATH)");
        Assert.InRange(mounted, lines.IndexOf("setresuid(0, 0, 0)"), lines.FindIndex(line => line.StartsWith("mount(\"proc\"", StringComparison.Ordinal)));
        Assert.Contains("symlinkat(\"/config-drive/disk.config\", -100, \"/dev/disk/by-label/config-2\")", lines);
    }

    [Fact]
    public void NestingShowsAnUncoveredProcAndSysfs()
    {
        Assert.DoesNotContain(Lines, line => line.Contains("/dev/.lxc", StringComparison.Ordinal));
        var nested = LaunchPlan.Print(LaunchPlan.Build(Spec with { Security = new SecuritySpec { Nesting = true } }, Inputs));
        Assert.Contains("mount(\"proc\", \"/dev/.lxc/proc\", \"proc\"", nested, StringComparison.Ordinal);
        Assert.Contains("mount(\"sysfs\", \"/dev/.lxc/sys\", \"sysfs\"", nested, StringComparison.Ordinal);
    }

    /// <summary>Where no link of an image leads out: neither by "..", as the host's tree lies on top of the root, nor by /proc/self/cwd.</summary>
    [Fact]
    public void TheRootOfARescuedOneIsMountedBeforeProcIsThere()
    {
        Assert.DoesNotContain(Lines, line => line.Contains("/mnt", StringComparison.Ordinal));
        var steps = LaunchPlan.Build(Spec, Inputs with { RescuedRootMount = 8 });
        var lines = LaunchPlan.Print(steps).Split('\n').ToList();
        string[] order =
        [
            "pivot_root", "setresuid(0, 0, 0)", "openat2(<openat>, \"mnt\"", "dup3(<openat2>, 1, 0)", "mkdirat(1, \"instance\"",
            "move_mount(8, \"\", 1, \"instance\", MOVE_MOUNT_F_EMPTY_PATH)", "mount(\"proc\"",
        ];
        var places = order.Select(start => lines.FindIndex(line => line.StartsWith(start, StringComparison.Ordinal))).ToArray();
        Assert.DoesNotContain(-1, places);
        Assert.Equal(places.Order(), places);
        new SyscallProgram(steps).Dispose(); // It can be laid out for the child.
    }

    [Fact]
    public void DisksAreMountedBeforeProcIsThereAndNoLinkLeadsOut()
    {
        var steps = LaunchPlan.Build(Spec with { Disks = [new DiskMount("/host", "/media/disk")] }, Inputs with { DiskMounts = [8] });
        var lines = LaunchPlan.Print(steps).Split('\n').ToList();
        string[] order =
        [
            "pivot_root", "setresuid(0, 0, 0)", "openat2(<openat>, \".\"", "mkdirat(1, \"media\"", "openat2(<openat>, \"media\"", "mkdirat(1, \"disk\"",
            "openat2(<openat>, \"media/disk\"", "move_mount(8, \"\", 1, \"\", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH)", "mount(\"proc\"",
        ];
        var places = order.Select(start => lines.FindIndex(line => line.StartsWith(start, StringComparison.Ordinal))).ToArray();
        Assert.DoesNotContain(-1, places);
        Assert.Equal(places.Order(), places);
        new SyscallProgram(steps).Dispose();
    }

    [Fact]
    public void ACommandEntersTheNamespacesAndIsConfinedBeforeItBecomesItsUser()
    {
        var command = new ExecCommand(["id"], new Dictionary<string, string> { ["PATH"] = "/a:/b" }, "/srv", 1000, 1001, TimeSpan.FromSeconds(1));
        var lines = LaunchPlan.Print(ExecPlan.Build(command, true, new ExecPlan.Inputs(5, 6, 10, 11, 12, 4096, [16], new byte[8], null))).Split('\n').ToList();
        string[] order =
        [
            "read(6", "setns(5, CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWNET|CLONE_NEWCGROUP|CLONE_NEWUSER)", "setresuid(0, 0, 0)", "dup3(12, 2, 0)",
            "prctl(PR_CAPBSET_DROP, 16", "seccomp(", "setresgid(1001, 1001, 1001)", "setresuid(1000, 1000, 1000)", "chdir(\"/srv\")", "execve(\"/a/id\"", "execve(\"/b/id\"",
        ];
        var places = order.Select(start => lines.FindIndex(line => line.StartsWith(start, StringComparison.Ordinal))).ToArray();
        Assert.DoesNotContain(-1, places);
        Assert.Equal(places.Order(), places);
    }
}
