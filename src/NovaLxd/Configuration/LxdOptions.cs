using System.ComponentModel.DataAnnotations;
using NovaLxd.Virt;

namespace NovaLxd.Configuration;

/// <summary>[lxd]: what is ours alone; everything else keeps Nova's section and option names.</summary>
internal sealed record LxdOptions
{
    /// <summary>Folder of sockets and what need not survive a boot.</summary>
    public string RuntimeDirectory { get; init; } = "/run/novalxd";

    /// <summary>Keeper of images and root file systems: overlay.</summary>
    [AllowedValues("overlay", ErrorMessage = "the storage backends are: overlay")]
    public string StorageBackend { get; init; } = "overlay";

    /// <summary>First host user and group id that containers get; each takes 65536 of them.</summary>
    [Range(65536L, 4_000_000_000L)]
    public uint IdMapBase { get; init; } = 1_000_000;

    /// <summary>How many host ids there are for containers in all.</summary>
    [Range(65536L, 4_000_000_000L)]
    public uint IdMapSize { get; init; } = 1_000_000_000;

    /// <summary>Whether a flavor may ask for a container without user namespace (lxd:privileged); such a guest is root on the host.</summary>
    public bool AllowPrivileged { get; init; }

    /// <summary>File of the system calls that containers are refused, instead of the shipped rules, whose form it has (etc/novalxd/seccomp.json). Containers
    /// get it at their next start by this service. Default: the shipped rules.</summary>
    public string? SeccompProfile { get; init; }

    /// <summary>Bytes of console output kept for each container.</summary>
    [Range(4096, 64 << 20)]
    public int ConsoleLogBytes { get; init; } = 256 * 1024;

    /// <summary>Parent cgroup of all containers.</summary>
    public string CgroupParent { get; init; } = "novalxd";

    /// <summary>Folder where lxcfs is mounted; its files show a container its own memory, processors and uptime.</summary>
    public string LxcfsPath { get; init; } = "/var/lib/lxcfs";

    /// <summary>Most bytes that one image may take when unpacked.</summary>
    [Range(1L << 20, long.MaxValue)]
    public long ImageMaxBytes { get; init; } = 64L << 30;

    /// <summary>Host name of the Placement provider and the hypervisor. Default: the host's fully qualified name. Must never change.</summary>
    public string? HypervisorHostname { get; init; }

    /// <summary>Where health and metrics are served by TCP besides the unix socket in runtime_directory: empty for nowhere, "127.0.0.1:9105", "[::]:9105".</summary>
    public string HttpListen { get; init; } = "";

    /// <summary>Whether metrics are kept and served at /metrics (Prometheus).</summary>
    public bool Metrics { get; init; } = true;

    /// <summary>Processes a container may have; 0 for no limit.</summary>
    [Range(0L, long.MaxValue)]
    public long PidsLimit { get; init; } = 32768;

    public VirtOptions ToVirtOptions(ServiceOptions service) => new()
    {
        StateDirectory = service.InstancesDirectory,
        RuntimeDirectory = RuntimeDirectory,
        StorageBackend = StorageBackend,
        IdMapBase = IdMapBase,
        IdMapSize = IdMapSize,
        SeccompProfilePath = SeccompProfile,
        ConsoleLogBytes = ConsoleLogBytes,
        CgroupParent = CgroupParent,
        LxcfsPath = LxcfsPath,
        ImageMaxBytes = ImageMaxBytes,
    };
}
