using NovaLxd.Virt.Drives;
using NovaLxd.Virt.Network;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Engine;

/// <summary>
/// All that is needed to launch a container, in values that survive serialisation: the supervisor keeps it beside the running
/// container, so that a reboot from inside needs nobody else.
/// </summary>
internal sealed record LaunchSpec
{
    public required Guid Id { get; init; }

    public required string Name { get; init; }

    public required string Hostname { get; init; }

    public required RootfsMount Root { get; init; }

    /// <summary>The root of the instance itself, when another is booted to rescue it; found at <see cref="LaunchPlan.RescuedRoot"/> inside.</summary>
    public RootfsMount? RescuedRoot { get; init; }

    /// <summary>Null: no user namespace (privileged).</summary>
    public IdMap? IdMap { get; init; }

    public required IReadOnlyList<string> Init { get; init; }

    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    public ResourceLimits Limits { get; init; } = new();

    public SecuritySpec Security { get; init; } = new();

    /// <summary>Filter by the operator's own rules (see <see cref="SeccompProfile.Compile(SecuritySpec)"/> for its form); null: the shipped ones.</summary>
    public byte[]? SeccompFilter { get; init; }

    public IReadOnlyList<ContainerNic> Nics { get; init; } = [];

    /// <summary>Further file systems.</summary>
    public IReadOnlyList<DiskMount> Disks { get; init => field = value ?? []; } = [];

    /// <summary>Null: none.</summary>
    public DriveMount? Drive { get; init; }

    /// <summary>Ring file of the console's output, and its size.</summary>
    public required string ConsoleLogPath { get; init; }

    public required int ConsoleLogBytes { get; init; }

    /// <summary>Folder where lxcfs is mounted, when it is.</summary>
    public string? LxcfsPath { get; init; }

    public required string CgroupParent { get; init; }
}

/// <summary>Ids 0 to <paramref name="Count"/>-1 inside are <paramref name="HostBase"/> and up on the host, for users and groups alike.</summary>
internal sealed record IdMap(uint HostBase, uint Count);

/// <summary>A container as the engine knows it. <paramref name="LastExit"/> is set once it no longer runs.</summary>
internal sealed record EngineContainer(Guid Id, string Name, ContainerState State, int InitPid, DateTimeOffset StartedAt, string? LastExit);
