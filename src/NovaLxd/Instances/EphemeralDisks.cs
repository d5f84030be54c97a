using System.Globalization;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>
/// Ephemeral disks of an instance: those of its block device mapping, each of the size that Nova has written down for it; a disk as large as the flavor allows where it has
/// none (an instance that was resized to such a flavor). A container gets them as file systems, mounted: the first where cloud-init mounts that of a virtual machine,
/// further ones beside the places where systems mount what is put into them.
/// </summary>
internal sealed class EphemeralDisks(ConductorClient conductor)
{
    /// <summary>What the disks are formatted with.</summary>
    private const string Format = "ext4";

    /// <summary>The disks an instance has with a flavor.</summary>
    public async Task<IReadOnlyList<DiskSpec>> GetAsync(RequestContext context, Instance instance, Flavor flavor, CancellationToken cancellationToken) =>
        flavor.EphemeralGb == 0 ? [] : From(flavor, await conductor.GetBlockDevicesAsync(context, instance.Uuid, cancellationToken));

    /// <summary>Where the disk of this number is inside.</summary>
    public static string FolderOf(int number) => number == 0 ? "/mnt" : string.Create(CultureInfo.InvariantCulture, $"/media/ephemeral{number}");

    /// <summary>Why a disk that was asked for cannot be had; null when it can, or is none of these.</summary>
    public static string? Refusal(BlockDeviceMapping disk) => IsEphemeral(disk) && disk.GuestFormat is not (null or "" or Format)
        ? $"An ephemeral disk cannot be formatted with {disk.GuestFormat} on this host: leave the format out, or ask for {Format}."
        : null;

    internal static IReadOnlyList<DiskSpec> From(Flavor flavor, IEnumerable<BlockDeviceMapping> disks)
    {
        // By id, which is the order in which they were asked for.
        var sizes = disks.Where(IsEphemeral).OrderBy(disk => disk.Id).Select(disk => disk.VolumeSize ?? flavor.EphemeralGb).Where(size => size > 0).ToList();
        return [.. (sizes.Count > 0 ? sizes : [flavor.EphemeralGb]).Select((size, number) => new DiskSpec(FolderOf(number), (long)size << 30))];
    }

    /// <summary>nova/block_device.py:new_format_is_ephemeral.</summary>
    private static bool IsEphemeral(BlockDeviceMapping disk) => disk is { SourceType: "blank", DestinationType: "local", NoDevice: false } && disk.GuestFormat != "swap";
}
