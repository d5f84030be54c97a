using System.Text.Json.Serialization;

namespace NovaLxd.Virt;

/// <summary>
/// A few read-only files that a container finds in a folder of its own, and the same as the image of a labelled file system. Only the guest's root can read
/// them. There is no block device: whoever can open a loop device can detach it too, and would then hold what the host attaches to that number next.
/// </summary>
public sealed record DriveSpec
{
    /// <summary>Folder below the container's root ("/config-drive").</summary>
    public required string Folder { get; init; }

    /// <summary>Label of the file system in the image, and the link to it in /dev/disk/by-label; at most 11 characters.</summary>
    public required string Label { get; init; }

    public DriveFormat Format { get; init; }

    /// <summary>What is on it. Only given at creation: kept on the drive alone, as it may be secret.</summary>
    public IReadOnlyList<DriveFile> Files { get; init; } = [];
}

/// <summary>A file of a drive: path relative to its top ("openstack/latest/meta_data.json").</summary>
public sealed record DriveFile(string Path, byte[] Content);

/// <summary>File system in a drive's image.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<DriveFormat>))]
public enum DriveFormat
{
    Iso9660,
    Vfat,
}
