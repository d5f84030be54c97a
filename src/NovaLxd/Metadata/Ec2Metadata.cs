using Newtonsoft.Json.Linq;
using NovaLxd.Objects;

namespace NovaLxd.Metadata;

/// <summary>meta-data.json in the words of EC2 (nova/api/metadata/base.py:get_ec2_metadata, nova/block_device.py:instance_block_mapping). Pure.</summary>
internal static class Ec2Metadata
{
    /// <param name="metadata">Of whom.</param>
    /// <param name="version">One of <see cref="MetadataVersions.Ec2"/>, or the latest.</param>
    public static JObject From(InstanceMetadata metadata, string version)
    {
        var instance = metadata.Instance;
        var ids = instance.Ec2Ids;
        var addresses = metadata.NetworkInfo.Vifs.SelectMany(vif => vif.FixedIps).ToList();
        var floating = addresses.SelectMany(address => address.FloatingIps).FirstOrDefault()?.Address ?? "";
        var json = new JObject
        {
            ["ami-id"] = ids?.AmiId,
            ["ami-launch-index"] = instance.Get("launch_index").DeepClone(),
            ["ami-manifest-path"] = "FIXME", // Nova's very word.
            ["instance-id"] = ids?.InstanceId,
            ["hostname"] = metadata.Hostname,
            ["local-ipv4"] = addresses.FirstOrDefault(address => address.Version == 4)?.Address,
            ["reservation-id"] = instance.ReservationId,
            ["security-groups"] = new JArray(metadata.SecurityGroups),
        };
        if (instance.KeyName is { Length: > 0 } key)
        {
            json["public-keys"] = new JObject { ["0"] = new JObject { ["_name"] = $"0={key}", ["openssh-key"] = instance.KeyData } };
        }

        if (MetadataVersions.Has(version, "2007-01-19"))
        {
            json["local-hostname"] = metadata.Hostname;
            json["public-hostname"] = metadata.Hostname;
            json["public-ipv4"] = floating;
        }

        if (MetadataVersions.Has(version, "2007-08-29"))
        {
            json["instance-type"] = instance.Flavor.Name;
        }

        if (MetadataVersions.Has(version, "2007-12-15"))
        {
            json["block-device-mapping"] = Mapping(instance, metadata.BlockDevices);
            AddUnlessEmpty(json, "kernel-id", ids?.KernelId);
            AddUnlessEmpty(json, "ramdisk-id", ids?.RamdiskId);
        }

        if (MetadataVersions.Has(version, "2008-02-01"))
        {
            json["placement"] = new JObject { ["availability-zone"] = instance.AvailabilityZone };
        }

        if (MetadataVersions.Has(version, "2008-09-01"))
        {
            json["instance-action"] = "none";
        }

        return json;
    }

    private static JObject Mapping(Instance instance, IReadOnlyList<BlockDeviceMapping> disks)
    {
        if (instance.RootDeviceName is not { } root)
        {
            return new JObject { ["ami"] = "sda1", ["ephemeral0"] = "sda2", ["root"] = "/dev/sda1", ["swap"] = "sda3" };
        }

        var mapping = new JObject { ["ami"] = root.StartsWith("/dev/", StringComparison.Ordinal) ? root["/dev/".Length..] : root, ["root"] = root };
        AddUnlessEmpty(mapping, "ephemeral0", instance.DefaultEphemeralDevice);
        AddUnlessEmpty(mapping, "swap", instance.DefaultSwapDevice);
        var volumes = disks.Where(disk => disk.IsVolume).Select(disk => disk.DeviceName).OrderBy(name => name is not null).ThenBy(name => name, StringComparer.Ordinal);
        foreach (var (number, name) in volumes.Index())
        {
            mapping[$"ebs{number}"] = name;
        }

        var blanks = disks.Where(disk => disk is { IsVolume: false, SourceType: "blank" }).ToList();
        if (blanks.LastOrDefault(disk => disk.GuestFormat == "swap") is { } swap)
        {
            mapping["swap"] = swap.DeviceName;
        }

        foreach (var (number, disk) in blanks.Where(disk => disk.GuestFormat != "swap").Index())
        {
            mapping[$"ephemeral{number}"] = disk.DeviceName;
        }

        return mapping;
    }

    private static void AddUnlessEmpty(JObject json, string key, string? value)
    {
        if (value is { Length: > 0 })
        {
            json[key] = value;
        }
    }
}
