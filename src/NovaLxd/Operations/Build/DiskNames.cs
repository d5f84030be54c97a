using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Objects;

namespace NovaLxd.Operations.Build;

/// <summary>Gives the disks of an instance their default names (nova/compute/manager.py:_default_block_device_names).</summary>
internal static class DiskNames
{
    private const string Prefix = "/dev/vd";

    public static async Task AssignAsync(
        ConductorClient conductor, RequestContext context, Instance instance, NovaList<BlockDeviceMapping>? disks, CancellationToken cancellationToken)
    {
        var all = disks?.Objects ?? [];
        var root = all.FirstOrDefault(d => d.BootIndex == 0);
        var rootName = root?.DeviceName ?? instance.RootDeviceName ?? Prefix + "a";
        if (root is { DeviceName: null })
        {
            root.DeviceName = rootName;
            await conductor.SaveAsync(context, root, cancellationToken);
        }

        instance.RootDeviceName = rootName;
        var taken = all.Select(d => d.DeviceName).OfType<string>().ToHashSet();
        foreach (var disk in all.Where(d => d.DeviceName is null))
        {
            disk.DeviceName = Enumerable.Range('b', 25).Select(letter => Prefix + (char)letter).First(name => taken.Add(name));
            await conductor.SaveAsync(context, disk, cancellationToken);
        }
    }
}
