using System.Globalization;
using System.Runtime.InteropServices;
using NovaLxd.Virt.Cgroups;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Host;

/// <summary>What this host has, can do and lacks.</summary>
/// <param name="detectCgroups">Asked again each time, as hierarchies may be mounted later.</param>
/// <param name="root">Where /proc and /sys are found.</param>
/// <param name="isRoot">Whether this process is root.</param>
internal sealed class HostInspector(VirtOptions options, Func<ICgroups> detectCgroups, string root, bool isRoot)
{
    /// <summary>Idmapped mounts as lower layers of overlayfs: Linux 5.19 (mount_setattr(2), overlayfs.rst).</summary>
    private static readonly Version OldestKernel = new(5, 19);

    /// <summary>The boot the host is in; another one means that nothing of the last is running or mounted.</summary>
    public string BootId => Read("proc/sys/kernel/random/boot_id").Trim();

    /// <summary>Whether lxcfs is mounted where it should be.</summary>
    public bool HasLxcfs => Read("proc/self/mountinfo").Split('\n').Any(line => line.Split(" - ", 2) is [var mount, var fileSystem]
        && mount.Split(' ')[4] == options.LxcfsPath && fileSystem.StartsWith("fuse.lxcfs ", StringComparison.Ordinal));

    /// <summary>Reports everything that keeps containers from running here, at once.</summary>
    /// <exception cref="HostUnsuitableException"/>
    public void Check()
    {
        var faults = FindFaults().ToArray();
        if (faults.Length > 0)
        {
            throw new HostUnsuitableException(string.Join(' ', faults));
        }
    }

    public async Task<HostDescription> DescribeAsync(IStorageBackend storage, CancellationToken cancellationToken)
    {
        var cgroups = detectCgroups();
        var (memory, memoryUsed) = ProcMemInfo.Parse(Read("proc/meminfo"));
        var (disk, diskUsed) = await storage.GetCapacityAsync(cancellationToken).ConfigureAwait(false);
        return new HostDescription
        {
            Processors = ProcessorList.Parse(Read("sys/devices/system/cpu/online")).Count,
            MemoryBytes = memory,
            MemoryUsedBytes = memoryUsed,
            DiskBytes = disk,
            DiskUsedBytes = diskUsed,
            Architecture = RuntimeInformation.ProcessArchitecture switch
            {
                Architecture.X64 => "x86_64",
                Architecture.Arm64 => "aarch64",
                var other => other.ToString().ToLowerInvariant(),
            },
            KernelRelease = KernelRelease,
            Cpu = ProcCpuInfo.Parse(Read("proc/cpuinfo")),
            Abilities = FindAbilities(cgroups, storage.Capabilities).ToHashSet(),
            Warnings = [.. FindWarnings(cgroups)],
        };
    }

    private string KernelRelease => Read("proc/sys/kernel/osrelease").Trim();

    private IEnumerable<string> FindFaults()
    {
        if (!isRoot)
        {
            yield return "Containers are made by root: run this service as root.";
        }

        if (ParseKernel(KernelRelease) is var kernel && kernel < OldestKernel)
        {
            yield return $"Linux {kernel} is too old: idmapped overlay layers need {OldestKernel}. Upgrade the kernel.";
        }

        if (Read("proc/sys/user/max_user_namespaces").Trim() is "0" or "")
        {
            yield return "User namespaces are switched off: set sysctl user.max_user_namespaces to some thousands, on a kernel with CONFIG_USER_NS.";
        }

        if (!File.Exists(Path.Combine(root, "proc/sys/kernel/seccomp/actions_avail")))
        {
            yield return "The kernel has no system call filters: boot one with CONFIG_SECCOMP_FILTER.";
        }

        if (!NativeLibrary.TryLoad("libseccomp.so.2", out _))
        {
            yield return "libseccomp.so.2 is missing: install it (Debian: apt install libseccomp2).";
        }

        if (FindCgroupFault() is { } fault)
        {
            yield return fault;
        }
    }

    private string? FindCgroupFault()
    {
        try
        {
            detectCgroups();
            return null;
        }
        catch (HostUnsuitableException e)
        {
            return e.Message;
        }
    }

    private IEnumerable<string> FindAbilities(ICgroups cgroups, StorageCapabilities storage)
    {
        yield return $"cgroup-{cgroups.Layout}";
        yield return "user-namespaces";
        yield return "idmapped-mounts";
        yield return "seccomp";
        if (storage.EnforcesSize)
        {
            yield return "disk-limit";
        }

        if (HasLxcfs)
        {
            yield return "lxcfs";
        }

        if (AppArmor.LoadedProfile(root) is not null)
        {
            yield return "apparmor";
        }
    }

    private IEnumerable<string> FindWarnings(ICgroups cgroups)
    {
        foreach (var warning in cgroups.Warnings)
        {
            yield return warning;
        }

        if (!HasLxcfs)
        {
            yield return $"lxcfs is not mounted on {options.LxcfsPath}: guests see the memory, processors and uptime of the host in /proc. Install and start it (Debian: apt install lxcfs).";
        }

        if (AppArmor.IsOn(root) && AppArmor.LoadedProfile(root) is null)
        {
            yield return $"AppArmor is active, but its profile {AppArmor.Profile} is not loaded: containers run without it. Install etc/apparmor.d/{AppArmor.Profile} "
                + $"as /etc/apparmor.d/{AppArmor.Profile} and load it (apparmor_parser -r).";
        }
        else if (!AppArmor.IsOn(root))
        {
            yield return "AppArmor is not active: containers are confined by user namespaces, seccomp and cgroups alone.";
        }
    }

    /// <summary>"6.1.0-28-amd64" is 6.1.</summary>
    internal static Version ParseKernel(string release)
    {
        var parts = release.Split('.', '-', '+');
        return new Version(Number(0), Number(1));

        int Number(int index) => parts.Length > index && int.TryParse(parts[index], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
    }

    /// <summary>Empty when there is no such file.</summary>
    private string Read(string path) => CgroupFile.ReadOrNull(Path.Combine(root, path)) ?? "";
}
