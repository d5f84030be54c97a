using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>A disk of an instance: from what, to what, under which name. volume_size in GiB; connection_info is JSON in a string.</summary>
internal sealed class BlockDeviceMapping(JObject primitive) : NovaObject(primitive), INovaView<BlockDeviceMapping>
{
    public static string ObjectName => "BlockDeviceMapping";

    public static BlockDeviceMapping View(JObject primitive) => new(primitive);

    internal int Id
    {
        get => GetInt("id") ?? 0;
        set => Set("id", value);
    }

    internal string Uuid
    {
        get => GetText("uuid");
        set => Set("uuid", value);
    }

    internal string InstanceUuid
    {
        get => GetText("instance_uuid");
        set => Set("instance_uuid", value);
    }

    internal string? SourceType
    {
        get => GetString("source_type");
        set => Set("source_type", value);
    }

    internal string? DestinationType
    {
        get => GetString("destination_type");
        set => Set("destination_type", value);
    }

    internal string? GuestFormat
    {
        get => GetString("guest_format");
        set => Set("guest_format", value);
    }

    internal string? DeviceType
    {
        get => GetString("device_type");
        set => Set("device_type", value);
    }

    internal string? DiskBus
    {
        get => GetString("disk_bus");
        set => Set("disk_bus", value);
    }

    internal int? BootIndex
    {
        get => GetInt("boot_index");
        set => Set("boot_index", value);
    }

    internal string? DeviceName
    {
        get => GetString("device_name");
        set => Set("device_name", value);
    }

    internal bool DeleteOnTermination
    {
        get => GetBool("delete_on_termination");
        set => Set("delete_on_termination", value);
    }

    internal string? SnapshotId
    {
        get => GetString("snapshot_id");
        set => Set("snapshot_id", value);
    }

    internal string? VolumeId
    {
        get => GetString("volume_id");
        set => Set("volume_id", value);
    }

    internal int? VolumeSize
    {
        get => GetInt("volume_size");
        set => Set("volume_size", value);
    }

    internal string? ImageId
    {
        get => GetString("image_id");
        set => Set("image_id", value);
    }

    internal bool NoDevice
    {
        get => GetBool("no_device");
        set => Set("no_device", value);
    }

    internal string? ConnectionInfo
    {
        get => GetString("connection_info");
        set => Set("connection_info", value);
    }

    internal string? Tag
    {
        get => GetString("tag");
        set => Set("tag", value);
    }

    internal string? AttachmentId
    {
        get => GetString("attachment_id");
        set => Set("attachment_id", value);
    }

    internal string? VolumeType
    {
        get => GetString("volume_type");
        set => Set("volume_type", value);
    }

    internal bool IsVolume => DestinationType == "volume";

    internal bool IsRoot => BootIndex == 0;
}
