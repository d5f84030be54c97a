namespace NovaLxd.Virt;

public enum ContainerState
{
    /// <summary>No process of it runs.</summary>
    Stopped,

    Running,

    /// <summary>All its processes are frozen (cgroup freezer).</summary>
    Frozen,

    /// <summary>Init ended by a fault (signal or non-zero status), not by halt or reboot.</summary>
    Crashed,
}

public sealed record ContainerInfo
{
    public required Guid Id { get; init; }

    public required string Name { get; init; }

    public required ContainerState State { get; init; }

    public required ContainerSpec Spec { get; init; }

    public IReadOnlyList<PortSpec> Ports { get; init; } = [];

    /// <summary>Whether it boots a rescue image in place of its own root.</summary>
    public bool Rescued { get; init; }

    /// <summary>Init's process id on the host; 0 when stopped.</summary>
    public int InitPid { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>How it ended last, in words ("init exited with status 1"); null when it never ran or runs.</summary>
    public string? LastExit { get; init; }
}

public enum ContainerEventKind
{
    Started,
    Stopped,
    Crashed,
    Rebooted,
    Frozen,
    Unfrozen,
    Deleted,
}

/// <summary>Something happened to a container; <paramref name="Detail"/> says how, in words, where there is more to say.</summary>
public sealed record ContainerEvent(Guid Id, ContainerEventKind Kind, DateTimeOffset At, string? Detail = null);

/// <summary>Counters since start. Bytes, nanoseconds, counts.</summary>
public sealed record ContainerUsage
{
    public long CpuNanoseconds { get; init; }

    public long MemoryBytes { get; init; }

    public long MemoryLimitBytes { get; init; }

    public long Processes { get; init; }

    public long DiskUsedBytes { get; init; }

    public long DiskReadBytes { get; init; }

    public long DiskWriteBytes { get; init; }

    public long DiskReadOperations { get; init; }

    public long DiskWriteOperations { get; init; }

    public TimeSpan Uptime { get; init; }

    public IReadOnlyList<PortUsage> Ports { get; init; } = [];
}

/// <summary>Counters of one port as the guest sees them.</summary>
public sealed record PortUsage(
    Guid PortId, string MacAddress, long ReceivedBytes, long ReceivedPackets, long ReceivedErrors, long ReceivedDropped,
    long SentBytes, long SentPackets, long SentErrors, long SentDropped);

public sealed record ImageInfo(string Key, string Format, long UnpackedBytes, DateTimeOffset ImportedAt, DateTimeOffset LastUsedAt);

/// <summary>The host as this layer sees it.</summary>
public sealed record HostDescription
{
    public required int Processors { get; init; }

    public required long MemoryBytes { get; init; }

    public required long MemoryUsedBytes { get; init; }

    /// <summary>Size and use of the file system the containers live on.</summary>
    public required long DiskBytes { get; init; }

    public required long DiskUsedBytes { get; init; }

    /// <summary>"x86_64", "aarch64".</summary>
    public required string Architecture { get; init; }

    public required string KernelRelease { get; init; }

    public required CpuInfo Cpu { get; init; }

    /// <summary>What the engine can do here, by name ("cgroup-v2", "idmapped-mounts", "project-quota", "lxcfs", "apparmor", "checkpoint").</summary>
    public required IReadOnlySet<string> Abilities { get; init; }

    /// <summary>What is missing or degraded, a sentence each, for the operator's log.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}

/// <summary>/proc/cpuinfo in libvirt's words; <paramref name="Flags"/> are the kernel's flag names.</summary>
public sealed record CpuInfo(string Vendor, string Model, int Sockets, int CoresPerSocket, int ThreadsPerCore, IReadOnlyList<string> Flags);
