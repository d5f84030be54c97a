using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.OpenStack.Neutron;
using NovaLxd.OpenStack.Neutron.Models;
using NovaLxd.Virt;

namespace NovaLxd.Metadata;

/// <summary>
/// Config drives: who gets one, and what is on it (nova/virt/configdrive.py). A guest finds it at <c>/config-drive</c>, where cloud-init looks for it before it
/// looks for a device, which a container could not mount.
/// </summary>
internal sealed class ConfigDrives(
    ConductorClient conductor, NeutronClient neutron, VendorData vendorData, ConfigDriveOptions options, MetadataOptions metadataOptions, ILogger<ConfigDrives> logger)
{
    public const string Folder = "/config-drive";

    private const string Label = "config-2";

    private static readonly IReadOnlyList<string> Attributes =
        ["flavor", "metadata", "system_metadata", "keypairs", "ec2_ids", "device_metadata", "numa_topology"];

    /// <summary>
    /// Whether the user, the image or, for an instance that has never run, the operator wants it. One that was forced is recorded as wanted from then on
    /// (<see cref="Record"/>), whatever the option says later.
    /// </summary>
    public bool AreRequiredBy(Instance instance) =>
        instance.ConfigDrive is { Length: > 0 }
        || (options.ForceConfigDrive && instance.LaunchedAt is null)
        || instance.SystemMetadata.Find("image_img_config_drive") == "mandatory";

    /// <summary>Makes the instance say that it has one. Before it is given its launched_at; saved with it.</summary>
    public void Record(Instance instance)
    {
        if (instance.ConfigDrive is not { Length: > 0 } && AreRequiredBy(instance))
        {
            instance.ConfigDrive = "True";
        }
    }

    /// <summary>(1) what the instance came without (2) what only others know (3) the words.</summary>
    /// <returns>Null: the instance gets none.</returns>
    /// <exception cref="Outcomes.MetadataUnavailableException">The operator's data cannot be had.</exception>
    public async Task<DriveSpec?> BuildAsync(
        RequestContext context, Instance instance, NetworkInfo networkInfo, IReadOnlyList<InjectedFile> files, string? adminPassword, CancellationToken cancellationToken)
    {
        if (!AreRequiredBy(instance))
        {
            return null;
        }

        // (1)
        await conductor.LoadAttributesAsync(context, instance, Attributes, cancellationToken);

        // (2)
        var metadata = new InstanceMetadata
        {
            Instance = instance,
            NetworkInfo = networkInfo,
            Hostname = InstanceMetadata.HostnameOf(instance, metadataOptions.DhcpDomain),
            SecurityGroups = await SecurityGroupsAsync(context, instance, cancellationToken),
            BlockDevices = await conductor.GetBlockDevicesAsync(context, instance.Uuid, cancellationToken),
            Files = files,
            AdminPassword = adminPassword,
            VendorData = await vendorData.ReadAsync(instance, cancellationToken),
            UserData = instance.UserData is { } userData ? Convert.FromBase64String(userData) : null,
            SkippedVersions = metadataOptions.ConfigDriveSkipVersions.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToHashSet(),
        };

        // (3)
        var drive = new DriveSpec
        {
            Folder = Folder,
            Label = Label,
            Format = options.ConfigDriveFormat == "vfat" ? DriveFormat.Vfat : DriveFormat.Iso9660,
            Files = [.. ConfigDriveContent.From(metadata, RandomNumberGenerator.GetBytes)],
        };
        logger.LogInformation("The instance gets a config drive of {Count} files.", drive.Files.Count);
        return drive;
    }

    /// <summary>Names, once for each port that has them, as Nova lists them; by id a group that has no name.</summary>
    private async Task<IReadOnlyList<string>> SecurityGroupsAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        var caller = Callers.Service(context);
        var ports = await neutron.ListPortsAsync(caller, new PortQuery { DeviceId = instance.Uuid }, cancellationToken);
        var ids = ports.SelectMany(port => port.SecurityGroups).ToList();
        if (ids.Count == 0)
        {
            return [];
        }

        var query = new SecurityGroupQuery { Ids = [.. ids.Distinct()], Fields = ["id", "name"] };
        var known = (await neutron.ListSecurityGroupsAsync(caller, query, cancellationToken)).ToDictionary(group => group.Id);
        return [.. ids.Where(known.ContainsKey).Select(id => known[id].Name is { Length: > 0 } name ? name : id)];
    }
}
