using Newtonsoft.Json.Linq;

namespace NovaLxd.TestCloud.Conductor;

public sealed partial class FakeConductor
{
    public List<JObject> BlockDevices { get; } = [];

    public List<JObject> VirtualInterfaces { get; } = [];

    private JObject? DeviceQuery(string name, JArray args)
    {
        switch (name)
        {
            case "BlockDeviceMappingList.get_by_instance_uuid":
                return Primitives.List("BlockDeviceMappingList", "1.18", BlockDevices.Where(b => (string?)b["instance_uuid"] == (string?)args[0])
                    .Select(b => Primitives.Make("BlockDeviceMapping", "1.21", (JObject)b.DeepClone())));
            case "BlockDeviceMapping.get_by_volume_and_instance":
                var device = BlockDevices.Find(b => (string?)b["volume_id"] == (string?)args[0] && (string?)b["instance_uuid"] == (string?)args[1])
                    ?? throw ConductorFailureException.Nova("VolumeBDMNotFound", $"No volume Block Device Mapping with id {args[0]}.", 404);
                return Primitives.Make("BlockDeviceMapping", "1.21", (JObject)device.DeepClone());
            case "VirtualInterfaceList.get_by_instance_uuid":
                return Primitives.List("VirtualInterfaceList", "1.0", VirtualInterfaces.Where(v => (string?)v["instance_uuid"] == (string?)args[0])
                    .Select(v => Primitives.Make("VirtualInterface", "1.3", (JObject)v.DeepClone())));
            case "VirtualInterface.get_by_uuid":
                return VirtualInterfaces.Find(v => (string?)v["uuid"] == (string?)args[0]) is { } found
                    ? Primitives.Make("VirtualInterface", "1.3", (JObject)found.DeepClone())
                    : null;
            case "VirtualInterface.delete_by_instance_uuid":
                VirtualInterfaces.RemoveAll(v => (string?)v["instance_uuid"] == (string?)args[0]);
                return null;
            default:
                throw NoSuchMethod(name);
        }
    }
}
