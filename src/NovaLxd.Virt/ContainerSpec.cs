namespace NovaLxd.Virt;

/// <summary>What a container is to be. Kept with it on disk, so that it can be started again by whoever finds it.</summary>
public sealed record ContainerSpec
{
    public required Guid Id { get; init; }

    /// <summary>Name on this host ("instance-0000002a"): cgroup, log lines, <c>lxc list</c>. Letters, digits, '-', '_' and '.'; at most 63.</summary>
    public required string Name { get; init; }

    public required string Hostname { get; init; }

    /// <summary>Content key of an imported image.</summary>
    public required string ImageKey { get; init; }

    /// <summary>Limit of the root file system in bytes, seen by <c>df</c>; null: as large as the host's.</summary>
    public long? RootDiskBytes { get; init; }

    /// <summary>Further disks, which hold nothing when the container is made.</summary>
    public IReadOnlyList<DiskSpec> Disks { get; init => field = value ?? []; } = [];

    public ResourceLimits Limits { get; init; } = new();

    public SecuritySpec Security { get; init; } = new();

    /// <summary>Command line of init; empty: the first of /sbin/init, /lib/systemd/systemd, /etc/init, /bin/init that the image has.</summary>
    public IReadOnlyList<string> Init { get; init; } = [];

    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Files written into the root before its first start.</summary>
    public IReadOnlyList<InjectedFile> Files { get; init; } = [];

    /// <summary>A drive with files for the guest's set-up; null: none.</summary>
    public DriveSpec? Drive { get; init; }

    /// <summary>The caller's own notes, given back in <see cref="ContainerInfo"/> and never read here.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>The same without the content of files, which may be secret: it is in the root file system and on the drive once they are made.</summary>
    internal ContainerSpec WithoutContent() => this with { Files = [], Drive = Drive is null ? null : Drive with { Files = [] } };
}

/// <summary>
/// A file system of its own for data, of a size that is enforced and seen by <c>df</c>. It lives as long as the container, belongs to the container's root, and is in no
/// image that is made of it. A container that is rescued does not see it.
/// </summary>
/// <param name="Folder">Where it is mounted inside ("/mnt"); made when it is missing.</param>
/// <param name="SizeBytes">Size of the disk; the file system needs some of it for itself.</param>
public sealed record DiskSpec(string Folder, long SizeBytes);

/// <summary>Cgroup limits; null: none. Units in the names.</summary>
public sealed record ResourceLimits
{
    /// <summary>Processors as CFS bandwidth: 1.5 is 150 ms of every 100 ms period.</summary>
    public double? Cpus { get; init; }

    /// <summary>CFS quota and period set explicitly (<c>quota:cpu_quota</c>, <c>quota:cpu_period</c>); the quota wins over <see cref="Cpus"/>.</summary>
    public long? CpuQuotaMicroseconds { get; init; }

    public long? CpuPeriodMicroseconds { get; init; }

    /// <summary>Relative weight as cgroup v1 cpu.shares (2 to 262144, 1024 is usual); translated for v2.</summary>
    public long? CpuShares { get; init; }

    /// <summary>Processor numbers, "0-3,8" (cpuset(7)).</summary>
    public string? CpuSet { get; init; }

    public long? MemoryBytes { get; init; }

    /// <summary>Swap beyond <see cref="MemoryBytes"/>; 0: none.</summary>
    public long? SwapBytes { get; init; }

    public long? Pids { get; init; }

    public long? DiskReadBytesPerSecond { get; init; }

    public long? DiskWriteBytesPerSecond { get; init; }

    public long? DiskReadOperationsPerSecond { get; init; }

    public long? DiskWriteOperationsPerSecond { get; init; }
}

/// <summary>How far the container is confined. The default is the strictest that boots a whole operating system.</summary>
public sealed record SecuritySpec
{
    /// <summary>Without a user namespace: host root. The caller has checked that the operator allows it.</summary>
    public bool Privileged { get; init; }

    /// <summary>Containers inside: keeps mount, keyring and user namespace calls the inner engine needs.</summary>
    public bool Nesting { get; init; }

    /// <summary>System calls allowed although the default profile refuses them.</summary>
    public IReadOnlyList<string> AllowSystemCalls { get; init; } = [];

    /// <summary>Whether the root file system is mounted read-only.</summary>
    public bool ReadOnlyRoot { get; init; }
}

/// <summary>A file put into the root before the first start: absolute path inside, content, permission bits; owned by the container's root.</summary>
public sealed record InjectedFile(string Path, byte[] Content, int Mode = 0x1A4 /* 0644 */)
{
    /// <summary>Null: it takes the place of what the image has. Else it is left out where the image has anything at its path, or at one of these.</summary>
    public IReadOnlyList<string>? UnlessThere { get; init; }
}

/// <summary>A network port as the control plane describes it (os-vif's VIF, reduced to what the host needs).</summary>
public sealed record PortSpec
{
    /// <summary>Port id (Neutron).</summary>
    public required Guid Id { get; init; }

    /// <summary>binding:vif_type: "bridge", "ovs", "tap", "p2p".</summary>
    public required string VifType { get; init; }

    public required string MacAddress { get; init; }

    /// <summary>Name of the host's end, by which the Neutron agent knows it ("tap" and the first 11 characters of the port id).</summary>
    public required string HostDevice { get; init; }

    /// <summary>Bridge the host's end goes into; null for types without.</summary>
    public string? Bridge { get; init; }

    /// <summary>Whether the bridge is made when it is missing (should_create_bridge).</summary>
    public bool CreateBridge { get; init; }

    public int Mtu { get; init; } = 1500;

    /// <summary>quota:vif_*: averages and peaks in kilobytes per second, bursts in kilobytes; as the guest sees the direction.</summary>
    public PortRate? Inbound { get; init; }

    public PortRate? Outbound { get; init; }

    /// <summary>Further values of the type (OVS: iface-id, vm-uuid; hybrid plug).</summary>
    public IReadOnlyDictionary<string, string> Details { get; init; } = new Dictionary<string, string>();
}

public sealed record PortRate(long AverageKilobytesPerSecond, long? PeakKilobytesPerSecond = null, long? BurstKilobytes = null);

/// <summary>An image to import: where it comes from, what it must be, and how large it may become.</summary>
public sealed record ImageImport
{
    /// <summary>Content key under which it is kept (a hash of the content, or a name nobody else uses).</summary>
    public required string Key { get; init; }

    /// <summary>Opens the content; called at most once, and not at all when another import of the key has just succeeded.</summary>
    public required Func<CancellationToken, Task<Stream>> OpenAsync { get; init; }

    /// <summary>"sha512", "sha256" or "md5" with the expected value in lower-case hexadecimal; null: not checked.</summary>
    public string? HashAlgorithm { get; init; }

    public string? HashValue { get; init; }

    /// <summary>Most bytes the unpacked root may take.</summary>
    public long MaxUnpackedBytes { get; init; } = 64L << 30;
}

public sealed record ExecRequest
{
    public required IReadOnlyList<string> Command { get; init; }

    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    public string WorkingDirectory { get; init; } = "/";

    public int UserId { get; init; }

    public int GroupId { get; init; }

    public byte[] StandardInput { get; init; } = [];

    /// <summary>Most bytes kept of each output stream; the rest is read and dropped.</summary>
    public int MaxOutputBytes { get; init; } = 1 << 20;

    /// <summary>The command is killed after this time.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(1);
}

/// <summary>How a command ended: exit status, or 128 plus the signal as a shell says it.</summary>
public sealed record ExecResult(int ExitCode, byte[] StandardOutput, byte[] StandardError);
