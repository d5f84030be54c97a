using Newtonsoft.Json.Linq;
using NovaLxd.Objects;

namespace NovaLxd.Notifications;

/// <summary>The events of a resize. Their unversioned names are older than the versioned ones, and have another order of words.</summary>
internal static class ResizeEvents
{
    public static InstanceEvent PrepStart(Flavor flavor) => new("resize_prep", "start") { Suffix = "resize.prep.start", NewFlavor = flavor };

    public static InstanceEvent PrepEnd(Flavor flavor) => new("resize_prep", "end")
    {
        Suffix = "resize.prep.end",
        NewFlavor = flavor,
        Extra = new JObject { ["new_instance_type"] = flavor.Name, ["new_instance_type_id"] = flavor.Id },
    };

    public static InstanceEvent Start(NetworkInfo networkInfo, IReadOnlyList<BlockDeviceMapping> disks) => Of("resize", "start", "resize.start", networkInfo, disks);

    public static InstanceEvent End(NetworkInfo networkInfo, IReadOnlyList<BlockDeviceMapping> disks) => Of("resize", "end", "resize.end", networkInfo, disks);

    public static InstanceEvent FinishStart(NetworkInfo networkInfo, IReadOnlyList<BlockDeviceMapping> disks) =>
        Of("resize_finish", "start", "finish_resize.start", networkInfo, disks);

    public static InstanceEvent FinishEnd(NetworkInfo networkInfo, IReadOnlyList<BlockDeviceMapping> disks) =>
        Of("resize_finish", "end", "finish_resize.end", networkInfo, disks);

    public static InstanceEvent ConfirmStart() => new("resize_confirm", "start") { Suffix = "resize.confirm.start" };

    public static InstanceEvent ConfirmEnd(NetworkInfo networkInfo) => new("resize_confirm", "end") { Suffix = "resize.confirm.end", NetworkInfo = networkInfo };

    public static InstanceEvent RevertStart(IReadOnlyList<BlockDeviceMapping> disks) => Of("resize_revert", "start", "resize.revert.start", null, disks);

    public static InstanceEvent RevertEnd(IReadOnlyList<BlockDeviceMapping> disks) => Of("resize_revert", "end", "resize.revert.end", null, disks);

    private static InstanceEvent Of(string action, string phase, string suffix, NetworkInfo? networkInfo, IReadOnlyList<BlockDeviceMapping> disks) =>
        new(action, phase) { Suffix = suffix, NetworkInfo = networkInfo, BlockDevices = disks };
}
