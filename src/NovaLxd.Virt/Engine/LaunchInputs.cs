using NovaLxd.Virt.Cgroups;

namespace NovaLxd.Virt.Engine;

/// <summary>What a launch needs besides the spec: descriptors prepared in the supervisor, and facts of the host as it is now.</summary>
internal sealed record LaunchInputs
{
    /// <summary>The detached mount of the root file system.</summary>
    public required int RootMount { get; init; }

    /// <summary>That of the drive; null: there is none.</summary>
    public int? DriveMount { get; init; }

    /// <summary>Those of the further disks, in their order.</summary>
    public IReadOnlyList<int> DiskMounts { get; init; } = [];

    /// <summary>The detached mount of the instance's own root, when it is rescued.</summary>
    public int? RescuedRootMount { get; init; }

    /// <summary>
    /// The child's end of a socket pair: a byte comes when the parent has written id maps and cgroups, another when the interfaces are there, and the
    /// console's master goes back through it.
    /// </summary>
    public required int Channel { get; init; }

    /// <summary>A folder of the host on which the root is mounted before pivot_root, in the container's own mount namespace.</summary>
    public required string StagingDirectory { get; init; }

    /// <summary>Devices below /dev that the host has, out of <see cref="LaunchPlan.Devices"/>.</summary>
    public required IReadOnlyList<string> Devices { get; init; }

    /// <summary>Out of <see cref="LaunchPlan.MaskedFiles"/> and <see cref="LaunchPlan.MaskedDirectories"/>, those the kernel has.</summary>
    public required IReadOnlyList<string> MaskedFiles { get; init; }

    public required IReadOnlyList<string> MaskedDirectories { get; init; }

    /// <summary>Out of <see cref="LaunchPlan.ReadOnlyPaths"/>.</summary>
    public required IReadOnlyList<string> ReadOnlyPaths { get; init; }

    /// <summary>What /proc/sys/kernel/random/boot_id is to say.</summary>
    public required Guid BootId { get; init; }

    /// <summary>Files below <see cref="LaunchSpec.LxcfsPath"/>, relative ("proc/meminfo"); empty when lxcfs does not run.</summary>
    public IReadOnlyList<string> LxcfsFiles { get; init; } = [];

    public required IReadOnlyList<CgroupMount> CgroupMounts { get; init; }

    /// <summary>Hard limit of open files (the supervisor's own, as an unprivileged child cannot raise it).</summary>
    public required long OpenFilesLimit { get; init; }

    /// <summary>Numbers of the capabilities the container never gets (linux/capability.h).</summary>
    public required IReadOnlyList<int> DroppedCapabilities { get; init; }

    /// <summary>BPF program of seccomp(2); empty: none.</summary>
    public required byte[] Seccomp { get; init; }

    /// <summary>Loaded AppArmor profile; null where there is none.</summary>
    public string? AppArmorProfile { get; init; }
}
