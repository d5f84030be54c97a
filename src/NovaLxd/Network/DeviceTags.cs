using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Objects;

namespace NovaLxd.Network;

/// <summary>
/// Device role tags of the interfaces, as the metadata service shows them to the guest (nova/virt/libvirt/driver.py:_build_device_metadata). A container's
/// interfaces have no address on a bus: it knows them by MAC.
/// </summary>
internal sealed class DeviceTags(ConductorClient conductor)
{
    /// <summary>Puts what is recorded of the instance's ports into the instance. Saved with it.</summary>
    public async Task UpdateAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        var rows = await conductor.GetVirtualInterfacesAsync(context, instance.Uuid, cancellationToken);
        instance.Set("device_metadata", From(rows));
    }

    /// <returns>Null when nothing has a tag.</returns>
    internal static JObject? From(IEnumerable<VirtualInterface> rows)
    {
        var devices = rows.Where(row => row.Tag is not null).Select(row =>
        {
            var device = NovaObject.Create<NetworkInterfaceMetadata>();
            // In the database, and in rows just made, the port's id stands behind the address.
            device.Set("mac", row.Address?.Split('/')[0]);
            device.Set("tags", new JArray(row.Tag!));
            return device.ToPrimitive();
        }).ToList();
        if (devices.Count == 0)
        {
            return null;
        }

        var all = NovaObject.Create<InstanceDeviceMetadata>();
        all.Set("devices", new JArray(devices));
        return all.ToPrimitive();
    }
}
