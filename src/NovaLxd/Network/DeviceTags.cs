using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Objects;

namespace NovaLxd.Network;

/// <summary>
/// Device role tags of interfaces and disks, as the metadata service and a config drive show them to the guest (nova/virt/libvirt/driver.py:_build_device_metadata).
/// A container's devices have no address on a bus: it knows its interfaces by MAC.
/// </summary>
internal sealed class DeviceTags(ConductorClient conductor)
{
    /// <summary>Puts what is recorded of the instance's ports and disks into the instance. Saved with it.</summary>
    public async Task UpdateAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        var rows = await conductor.GetVirtualInterfacesAsync(context, instance.Uuid, cancellationToken);
        var disks = await conductor.GetBlockDevicesAsync(context, instance.Uuid, cancellationToken);
        instance.Set("device_metadata", From(rows, disks));
    }

    /// <returns>Null when nothing has a tag.</returns>
    internal static JObject? From(IEnumerable<VirtualInterface> rows, IEnumerable<BlockDeviceMapping> disks)
    {
        var devices = rows.Where(row => row.Tag is not null).Select(row =>
        {
            var device = NovaObject.Create<NetworkInterfaceMetadata>();
            // In the database, and in rows just made, the port's id stands behind the address.
            device.Set("mac", row.Address?.Split('/')[0]);
            device.Set("tags", new JArray(row.Tag!));
            return device.ToPrimitive();
        }).Concat(disks.Where(disk => disk.Tag is { Length: > 0 }).Select(disk =>
        {
            var device = NovaObject.Create<DiskMetadata>();
            device.Set("tags", new JArray(disk.Tag!));
            return device.ToPrimitive();
        })).ToList();
        if (devices.Count == 0)
        {
            return null;
        }

        var all = NovaObject.Create<InstanceDeviceMetadata>();
        all.Set("devices", new JArray(devices));
        return all.ToPrimitive();
    }
}
