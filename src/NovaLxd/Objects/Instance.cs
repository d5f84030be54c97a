using System.Globalization;
using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>
/// A server. The fields are Nova's (nova/objects/instance.py); memory in MiB, disks in GiB. Optional attributes (flavor, metadata, system_metadata,
/// info_cache, ...) are there only when the sender or the query included them.
/// </summary>
internal sealed class Instance(JObject primitive) : NovaObject(primitive), INovaView<Instance>
{
    public static string ObjectName => "Instance";

    public static Instance View(JObject primitive) => new(primitive);

    internal int Id => GetInt("id") ?? 0;

    internal string Uuid => GetText("uuid");

    internal string? UserId => GetString("user_id");

    internal string? ProjectId => GetString("project_id");

    internal string? ReservationId => GetString("reservation_id");

    internal string? DisplayName => GetString("display_name");

    internal string? DisplayDescription => GetString("display_description");

    internal string? Hostname => GetString("hostname");

    internal string? KeyName => GetString("key_name");

    internal string? KeyData { get => GetString("key_data"); set => Set("key_data", value); }

    /// <summary>Base64, as the user sent it.</summary>
    internal string? UserData => GetString("user_data");

    internal int LaunchIndex => GetInt("launch_index") ?? 0;

    internal string? ImageRef { get => GetString("image_ref"); set => Set("image_ref", value); }

    internal string? KernelId => GetString("kernel_id");

    internal string? RamdiskId => GetString("ramdisk_id");

    internal string? VmState { get => GetString("vm_state"); set => Set("vm_state", value); }

    internal string? TaskState { get => GetString("task_state"); set => Set("task_state", value); }

    internal int PowerState { get => GetInt("power_state") ?? Objects.PowerState.NoState; set => Set("power_state", value); }

    internal int? Progress { get => GetInt("progress"); set => Set("progress", value); }

    internal int MemoryMb { get => GetInt("memory_mb") ?? 0; set => Set("memory_mb", value); }

    internal int Vcpus { get => GetInt("vcpus") ?? 0; set => Set("vcpus", value); }

    internal int RootGb { get => GetInt("root_gb") ?? 0; set => Set("root_gb", value); }

    internal int EphemeralGb { get => GetInt("ephemeral_gb") ?? 0; set => Set("ephemeral_gb", value); }

    internal int? InstanceTypeId { get => GetInt("instance_type_id"); set => Set("instance_type_id", value); }

    internal string? Host { get => GetString("host"); set => Set("host", value); }

    internal string? Node { get => GetString("node"); set => Set("node", value); }

    internal string? LaunchedOn { get => GetString("launched_on"); set => Set("launched_on", value); }

    internal string? AvailabilityZone { get => GetString("availability_zone"); set => Set("availability_zone", value); }

    internal DateTimeOffset? LaunchedAt { get => GetTime("launched_at"); set => SetTime("launched_at", value); }

    internal DateTimeOffset? TerminatedAt { get => GetTime("terminated_at"); set => SetTime("terminated_at", value); }

    internal bool Deleted => IsSet("deleted") && GetBool("deleted");

    internal bool Cleaned { get => GetBool("cleaned"); set => Set("cleaned", value); }

    internal bool Hidden => IsSet("hidden") && GetBool("hidden");

    internal bool Locked => GetBool("locked");

    internal string? OsType => GetString("os_type");

    internal string? Architecture => GetString("architecture");

    internal string? CellName => GetString("cell_name");

    internal string? RootDeviceName { get => GetString("root_device_name"); set => Set("root_device_name", value); }

    internal string? DefaultEphemeralDevice { get => GetString("default_ephemeral_device"); set => Set("default_ephemeral_device", value); }

    internal string? DefaultSwapDevice { get => GetString("default_swap_device"); set => Set("default_swap_device", value); }

    /// <summary>"True" or "": whether the guest gets its metadata on a drive.</summary>
    internal string? ConfigDrive { get => GetString("config_drive"); set => Set("config_drive", value); }

    internal string? AccessIpV4 { get => GetString("access_ip_v4"); set => Set("access_ip_v4", value); }

    internal string? AccessIpV6 { get => GetString("access_ip_v6"); set => Set("access_ip_v6", value); }

    internal bool AutoDiskConfig { get => GetBool("auto_disk_config"); set => Set("auto_disk_config", value); }

    internal StringMap Metadata => GetMap("metadata");

    internal StringMap SystemMetadata => GetMap("system_metadata");

    internal Flavor Flavor
    {
        get => GetObject<Flavor>("flavor") ?? throw new FieldNotLoadedException(Kind, "flavor");
        set => SetObject("flavor", value);
    }

    internal Flavor? OldFlavor { get => GetObject<Flavor>("old_flavor"); set => SetObject("old_flavor", value); }

    internal Flavor? NewFlavor { get => GetObject<Flavor>("new_flavor"); set => SetObject("new_flavor", value); }

    internal InstanceInfoCache? InfoCache { get => GetObject<InstanceInfoCache>("info_cache"); set => SetObject("info_cache", value); }

    internal NovaList<SecurityGroup>? SecurityGroups => GetObject<NovaList<SecurityGroup>>("security_groups");

    internal NovaList<KeyPair>? KeyPairs => GetObject<NovaList<KeyPair>>("keypairs");

    /// <summary>Null also when it was not loaded.</summary>
    internal Ec2Ids? Ec2Ids => IsSet("ec2_ids") ? GetObject<Ec2Ids>("ec2_ids") : null;

    /// <summary>Null also when it was not loaded.</summary>
    internal InstanceDeviceMetadata? DeviceMetadata => IsSet("device_metadata") ? GetObject<InstanceDeviceMetadata>("device_metadata") : null;

    internal NovaList<Tag>? Tags => GetObject<NovaList<Tag>>("tags");

    internal TrustedCerts? TrustedCerts => GetObject<TrustedCerts>("trusted_certs");

    internal InstancePciRequests? PciRequests => GetObject<InstancePciRequests>("pci_requests");

    internal NovaList<PciDevice>? PciDevices => GetObject<NovaList<PciDevice>>("pci_devices");

    internal MigrationContext? MigrationContext { get => GetObject<MigrationContext>("migration_context"); set => SetObject("migration_context", value); }

    internal NovaList<Resource>? Resources { get => GetObject<NovaList<Resource>>("resources"); set => SetObject("resources", value); }

    /// <summary>The interfaces in the info cache; empty when it is not loaded or has none.</summary>
    internal NetworkInfo NetworkInfo => IsSet("info_cache") ? InfoCache?.NetworkInfo ?? NetworkInfo.Empty : NetworkInfo.Empty;

    /// <summary>Whether the conductor that sent this keeps Instance.compute_id (2023.2 and later).</summary>
    internal bool HasComputeId => Version.Parse(KindVersion) >= new Version(2, 8);

    /// <summary>
    /// Puts the instance on a node (or, with nulls, on none). The node's row id is set along with it where the control plane has the field.
    /// </summary>
    internal void PlaceOn(string? host, string? node, int? computeNodeId)
    {
        Host = host;
        Node = node;
        if (HasComputeId)
        {
            Set("compute_id", computeNodeId);
        }
    }

    /// <summary>
    /// The name used on the host, from <c>[DEFAULT] instance_name_template</c>: a printf form of the id (<c>instance-%08x</c>) or of named fields
    /// (<c>%(uuid)s</c>, <c>%(id)d</c>).
    /// </summary>
    internal string NameFrom(string template) => InstanceNameTemplate.Apply(template, this);

    /// <summary>
    /// The image an instance was made from, as system_metadata keeps it (keys <c>image_*</c>): its properties may have been changed or deleted in
    /// Glance since. The image's id is under <c>image_base_image_ref</c>.
    /// </summary>
    internal IReadOnlyDictionary<string, string?> ImageProperties =>
        SystemMetadata.Where(p => p.Key.StartsWith("image_", StringComparison.Ordinal)).ToDictionary(p => p.Key["image_".Length..], p => p.Value);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"instance {Uuid}");
}
