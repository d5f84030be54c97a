namespace NovaLxd.Virt;

/// <summary>Where this layer keeps its things and how it behaves. Filled by the service from section <c>[lxd]</c>.</summary>
public sealed record VirtOptions
{
    /// <summary>Containers, images and their disks (<c>[DEFAULT] instances_path</c>).</summary>
    public required string StateDirectory { get; init; }

    /// <summary>Sockets and what need not survive a boot.</summary>
    public string RuntimeDirectory { get; init; } = "/run/novalxd";

    /// <summary>
    /// Program of the supervisor, started when none runs (under systemd its own unit starts it first); a .dll is run by dotnet. Null: novalxd-supervisor,
    /// or else novalxd-supervisor.dll, beside this program.
    /// </summary>
    public string? SupervisorPath { get; init; }

    /// <summary>"overlay".</summary>
    public string StorageBackend { get; init; } = "overlay";

    /// <summary>First host id of the ranges handed to containers, and how many ids there are in all.</summary>
    public uint IdMapBase { get; init; } = 1_000_000;

    public uint IdMapSize { get; init; } = 1_000_000_000;

    /// <summary>Bytes of console output kept for each container.</summary>
    public int ConsoleLogBytes { get; init; } = 256 * 1024;

    /// <summary>Parent cgroup of all containers.</summary>
    public string CgroupParent { get; init; } = "novalxd";

    /// <summary>Where lxcfs is mounted; its files appear in the containers while it runs.</summary>
    public string LxcfsPath { get; init; } = "/var/lib/lxcfs";

    /// <summary>Most bytes one image may take when unpacked.</summary>
    public long ImageMaxBytes { get; init; } = 64L << 30;
}
