using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Metadata;

/// <summary>
/// All that an instance is told of itself, gathered: <see cref="ConfigDriveContent"/> and what it uses only put it into words. Of the instance's optional
/// attributes these are loaded: flavor, metadata, keypairs, ec2_ids, device_metadata, numa_topology.
/// </summary>
internal sealed record InstanceMetadata
{
    public required Instance Instance { get; init; }

    public required NetworkInfo NetworkInfo { get; init; }

    /// <summary>Host name with <c>dhcp_domain</c>.</summary>
    public required string Hostname { get; init; }

    /// <summary>Names of the security groups, once for each port that has them.</summary>
    public IReadOnlyList<string> SecurityGroups { get; init; } = [];

    public IReadOnlyList<BlockDeviceMapping> BlockDevices { get; init; } = [];

    /// <summary>Files the user sent along, in order.</summary>
    public IReadOnlyList<InjectedFile> Files { get; init; } = [];

    /// <summary>Password of the guest's administrator, which the drive alone may tell; null: none.</summary>
    public string? AdminPassword { get; init; }

    public VendorDataFiles VendorData { get; init; } = VendorDataFiles.None;

    /// <summary>Versions of the EC2 metadata that are left out.</summary>
    public IReadOnlySet<string> SkippedVersions { get; init; } = new HashSet<string>();

    /// <summary>The user data as the guest is to have it.</summary>
    public byte[]? UserData { get; init; }

    public static string HostnameOf(Instance instance, string? domain) =>
        domain is { Length: > 0 } ? $"{instance.Hostname}.{domain}" : instance.Hostname ?? "";
}
