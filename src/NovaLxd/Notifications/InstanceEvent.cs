using Newtonsoft.Json.Linq;
using NovaLxd.Objects;

namespace NovaLxd.Notifications;

/// <summary>
/// An event of an instance: an action and its phase, with what goes along. In the versioned form it is <c>instance.ACTION[.PHASE]</c>, in the
/// unversioned one <c>compute.instance.SUFFIX</c>.
/// </summary>
internal sealed record InstanceEvent(string Action, string? Phase)
{
    private const string ImagePrefix = "image_";

    internal static Phases Create { get; } = new("create") { IsCreate = true };

    internal static Phases Delete { get; } = new("delete");

    /// <summary>The guest is taken down as part of a delete.</summary>
    internal static Phases Shutdown { get; } = new("shutdown");

    internal static Phases PowerOn { get; } = new("power_on");

    internal static Phases PowerOff { get; } = new("power_off");

    internal static Phases Reboot { get; } = new("reboot");

    internal static Phases Pause { get; } = new("pause");

    internal static Phases Unpause { get; } = new("unpause");

    internal static Phases InterfaceAttach { get; } = new("interface_attach") { IsVersionedOnly = true };

    internal static Phases InterfaceDetach { get; } = new("interface_detach") { IsVersionedOnly = true };

    internal static Phases CreateIp { get; } = new("create_ip") { IsUnversionedOnly = true };

    internal static Phases DeleteIp { get; } = new("delete_ip") { IsUnversionedOnly = true };

    internal static Phases Rebuild { get; } = new("rebuild") { IsRebuild = true };

    internal static Phases SoftDelete { get; } = new("soft_delete");

    internal static Phases Restore { get; } = new("restore");
    internal static Phases Unrescue { get; } = new("unrescue");

    internal static Phases Shelve { get; } = new("shelve");

    internal static Phases ShelveOffload { get; } = new("shelve_offload");

    internal static Phases Unshelve { get; } = new("unshelve");

    /// <summary>The phases of a rescue.</summary>
    /// <param name="imageRef">Image that the user asked for; null: none in particular.</param>
    /// <param name="imageName">Name of the one that is booted.</param>
    /// <param name="networkInfo">The addresses.</param>
    internal static (InstanceEvent Start, InstanceEvent End) Rescue(string? imageRef, string? imageName, NetworkInfo networkInfo)
    {
        InstanceEvent Phase(string phase) => new("rescue", phase)
        {
            RescuedWith = new RescueDetail(imageRef),
            NetworkInfo = networkInfo,
            Extra = new JObject { ["rescue_image_name"] = imageName ?? "" },
        };
        return (Phase("start"), Phase("end"));
    }
    /// <summary>The phases of a snapshot, with the image that it becomes.</summary>
    internal static Phases Snapshot(string imageId) => new("snapshot") { SnapshotImageId = imageId };

    /// <summary>create.start, with the name of the image.</summary>
    internal static InstanceEvent CreateStart(string? imageName) => Create.Start with { Extra = new JObject { ["image_name"] = imageName } };

    /// <summary>create.end, with the addresses.</summary>
    internal static InstanceEvent CreateEnd(NetworkInfo networkInfo) =>
        Create.End with { NetworkInfo = networkInfo, Extra = new JObject { ["message"] = "Success" } };

    /// <summary>rebuild.start, with the name of the new image.</summary>
    internal static InstanceEvent RebuildStart(string? imageName) => Rebuild.Start with { Extra = ImageName(imageName) };

    /// <summary>rebuild.end, with the addresses.</summary>
    internal static InstanceEvent RebuildEnd(string? imageName, NetworkInfo networkInfo) =>
        Rebuild.End with { NetworkInfo = networkInfo, Extra = ImageName(imageName) };

    /// <summary>What the instance has been since the audit period began, for who bills: sent before it becomes something else.</summary>
    /// <param name="period">The period under way.</param>
    /// <param name="imageRef">The image it has been made from, where the row names another one already.</param>
    /// <param name="systemMetadata">What goes with that image.</param>
    internal static InstanceEvent Exists(AuditPeriod period, string? imageRef = null, JObject? systemMetadata = null)
    {
        var extra = new JObject { ["audit_period_beginning"] = period.Beginning, ["audit_period_ending"] = period.Ending };
        if (systemMetadata is not null)
        {
            extra["image_meta"] = new JObject(systemMetadata.Properties()
                .Where(p => p.Name.StartsWith(ImagePrefix, StringComparison.Ordinal)).Select(p => new JProperty(p.Name[ImagePrefix.Length..], p.Value)));
        }

        return new("exists", null) { Audit = period, ImageRef = imageRef, Extra = extra };
    }

    /// <summary>Name in the unversioned form, where it differs from the versioned one.</summary>
    internal string Suffix { get; init; } = Phase is null ? Action : $"{Action}.{Phase}";

    /// <summary>Carried in the larger payload of creations.</summary>
    internal bool IsCreate { get; init; }

    /// <summary>Nova has no unversioned form of it.</summary>
    internal bool IsVersionedOnly { get; init; }

    /// <summary>Nova has no versioned form of it.</summary>
    internal bool IsUnversionedOnly { get; init; }
    /// <summary>Carried in the payload of rebuilds.</summary>
    internal bool IsRebuild { get; init; }
    /// <summary>Carried in the payload of rescues.</summary>
    internal RescueDetail? RescuedWith { get; init; }

    /// <summary>The time that an <c>exists</c> speaks of.</summary>
    internal AuditPeriod? Audit { get; init; }

    /// <summary>Image that the unversioned form names instead of the instance's.</summary>
    internal string? ImageRef { get; init; }
    /// <summary>The image that a snapshot becomes; said in the versioned form only.</summary>
    internal string? SnapshotImageId { get; init; }

    /// <summary>Why it failed; makes it an ERROR.</summary>
    internal Exception? Fault { get; init; }

    /// <summary>Addresses for the unversioned form, which leaves them out otherwise.</summary>
    internal NetworkInfo? NetworkInfo { get; init; }

    /// <summary>Further values of the unversioned form.</summary>
    internal JObject Extra { get; init; } = [];

    /// <summary>The flavor that the instance is to have.</summary>
    internal Flavor? NewFlavor { get; init; }

    /// <summary>The disks, where the operation has them at hand; null: as <c>[notifications] bdms_in_notifications</c> says.</summary>
    internal IReadOnlyList<BlockDeviceMapping>? BlockDevices { get; init; }

    private static JObject ImageName(string? imageName) => new() { ["image_name"] = imageName ?? "" };

    /// <summary>What the versioned form of a rescue says besides.</summary>
    internal sealed record RescueDetail(string? ImageRef);

    /// <summary>The phases of one action.</summary>
    internal sealed record Phases(string Action)
    {
        internal bool IsCreate { get; init; }

        internal bool IsVersionedOnly { get; init; }

        internal bool IsUnversionedOnly { get; init; }

        internal bool IsRebuild { get; init; }

        internal string? SnapshotImageId { get; init; }

        internal InstanceEvent Start => In("start");

        internal InstanceEvent End => In("end");

        internal InstanceEvent Error(Exception fault) => In("error") with { Fault = fault };

        private InstanceEvent In(string phase) => new(Action, phase)
        {
            IsCreate = IsCreate,
            IsVersionedOnly = IsVersionedOnly,
            IsUnversionedOnly = IsUnversionedOnly,
            IsRebuild = IsRebuild,
            SnapshotImageId = SnapshotImageId,
        };
    }
}
