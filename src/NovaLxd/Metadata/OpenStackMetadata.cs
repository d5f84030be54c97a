using System.Globalization;
using Newtonsoft.Json.Linq;
using NovaLxd.Objects;

namespace NovaLxd.Metadata;

/// <summary>meta_data.json in OpenStack's own words (nova/api/metadata/base.py:_metadata_as_json). Pure but for the seed.</summary>
internal static class OpenStackMetadata
{
    public const string ContentFolder = "content";

    private const int SeedBytes = 512;

    /// <summary>Names of the objects that say on which bus a device is; one that is on none of them is not told of.</summary>
    private static readonly Dictionary<string, string> Buses = new()
    {
        ["PCIDeviceBus"] = "pci",
        ["USBDeviceBus"] = "usb",
        ["SCSIDeviceBus"] = "scsi",
        ["IDEDeviceBus"] = "ide",
        ["XenDeviceBus"] = "xen",
    };

    /// <summary>Where the content of a file of the user's is, by its place among them.</summary>
    public static string ContentName(int number) => number.ToString("D4", CultureInfo.InvariantCulture);

    /// <param name="metadata">Of whom.</param>
    /// <param name="version">One of <see cref="MetadataVersions.OpenStack"/>, or the latest.</param>
    /// <param name="random">Fills the guest's seed for its random numbers.</param>
    public static JObject From(InstanceMetadata metadata, string version, Func<int, byte[]> random)
    {
        var instance = metadata.Instance;
        var json = new JObject { ["uuid"] = instance.Uuid };
        if (instance.Metadata.Count > 0)
        {
            json["meta"] = new JObject(instance.Metadata.Select(item => new JProperty(item.Key, item.Value)));
        }

        if (metadata.Files.Count > 0)
        {
            json["files"] = new JArray(metadata.Files.Select((file, number) =>
                new JObject { ["path"] = file.Path, ["content_path"] = $"/{ContentFolder}/{ContentName(number)}" }));
        }

        if (metadata.AdminPassword is { Length: > 0 } password)
        {
            json["admin_pass"] = password;
        }

        if (instance.KeyName is { Length: > 0 } && instance.KeyPairs?.Objects is [var key, ..])
        {
            json["public_keys"] = new JObject { [key.Name] = key.PublicKey };
            json["keys"] = new JArray(new JObject { ["name"] = key.Name, ["type"] = key.Type, ["data"] = key.PublicKey });
        }

        json["hostname"] = metadata.Hostname;
        json["name"] = instance.DisplayName;
        json["launch_index"] = instance.Get("launch_index").DeepClone();
        json["availability_zone"] = instance.AvailabilityZone;
        if (MetadataVersions.Has(version, MetadataVersions.Grizzly))
        {
            json["random_seed"] = Convert.ToBase64String(random(SeedBytes));
        }

        if (MetadataVersions.Has(version, MetadataVersions.Liberty))
        {
            json["project_id"] = instance.ProjectId;
        }

        if (MetadataVersions.Has(version, MetadataVersions.NewtonOne))
        {
            json["devices"] = new JArray(Devices(instance, version));
        }

        if (MetadataVersions.Has(version, MetadataVersions.Victoria))
        {
            json["dedicated_cpus"] = new JArray(DedicatedCpus(instance));
        }

        return json;
    }

    /// <summary>Devices with tags, of which a container's have neither bus nor address; those of another driver's instance as it described them.</summary>
    private static IEnumerable<JObject> Devices(Instance instance, string version)
    {
        foreach (var device in instance.DeviceMetadata?.Devices ?? [])
        {
            var (bus, address) = ("none", "none");
            if (device.Bus is { } on)
            {
                if (!Buses.TryGetValue(on.Kind, out var name))
                {
                    continue;
                }

                (bus, address) = (name, on.Address ?? address);
            }

            if (Describe(device, version) is { } json)
            {
                json["bus"] = bus;
                json["address"] = address;
                if (device.Tags is { } tags)
                {
                    json["tags"] = new JArray(tags);
                }

                yield return json;
            }
        }
    }

    /// <returns>Null when there is nothing to tell.</returns>
    private static JObject? Describe(DeviceMetadata device, string version)
    {
        var json = new JObject();
        switch (device.Kind)
        {
            case "NetworkInterfaceMetadata":
                if (device.Vlan is { } vlan && MetadataVersions.Has(version, MetadataVersions.Ocata))
                {
                    json["vlan"] = vlan;
                }

                if (MetadataVersions.Has(version, MetadataVersions.Rocky))
                {
                    json["vf_trusted"] = device.IsTrusted;
                }

                var isTold = device.Tags is not null || json.Count > 0;
                json["type"] = "nic";
                json["mac"] = device.Mac;
                return isTold ? json : null;
            case "DiskMetadata":
                json["type"] = "disk";
                foreach (var (field, value) in new[] { ("serial", device.Serial), ("path", device.Path) }.Where(said => said.Item2 is not null))
                {
                    json[field] = value;
                }

                return json;
            default:
                return null;
        }
    }

    private static IEnumerable<int> DedicatedCpus(Instance instance) =>
        (instance.IsSet("numa_topology") && instance.Get("numa_topology") is JObject topology ? (topology["nova_object.data"]?["cells"] as JArray ?? []) : [])
        .SelectMany(cell => cell["nova_object.data"]?["pcpuset"] as JArray ?? []).Select(cpu => (int)cpu).Order();
}
