using System.Text;
using Newtonsoft.Json.Linq;
using NovaLxd.Metadata;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Metadata;

/// <summary>Instances and what they are to be told of themselves.</summary>
internal static class Described
{
    public const string UserData = "#cloud-config\n";

    private static readonly JObject Vendor = new() { ["cloud"] = "müller", ["list"] = new JArray(1, 2.5, true, JValue.CreateNull()) };

    public static readonly IReadOnlyList<NetworkInfo> RecordedNetworks =
    [
        .. new[] { "zed", "2026.1" }.SelectMany(release => Recorded.Lines($"objects/network-info-{release}.jsonl")).Select(NetworkInfo.Parse),
    ];

    /// <summary>A recorded instance of which nothing is asked for, with the attributes that a config drive needs.</summary>
    public static Instance Plain()
    {
        var instance = NovaObject.Clone(Recorded.Object<Instance>("zed", "flavor", "system_metadata", "metadata"));
        foreach (var (field, value) in new (string, JToken)[]
        {
            ("hostname", "web"), ("key_name", JValue.CreateNull()), ("key_data", JValue.CreateNull()), ("user_data", JValue.CreateNull()), ("metadata", new JObject()),
            ("device_metadata", JValue.CreateNull()), ("numa_topology", JValue.CreateNull()), ("keypairs", List("KeyPairList", "1.3")), ("kernel_id", ""), ("ramdisk_id", ""),
            ("availability_zone", "nova"), ("root_device_name", "/dev/vda"), ("config_drive", ""), ("default_ephemeral_device", JValue.CreateNull()),
            ("default_swap_device", JValue.CreateNull()),
            ("ec2_ids", Make("EC2Ids", "1.0", new JObject { ["instance_id"] = "i-00000007", ["ami_id"] = "ami-00000001", ["kernel_id"] = null, ["ramdisk_id"] = null })),
        })
        {
            instance.Set(field, value);
        }

        instance.ResetChanges();
        return instance;
    }

    /// <summary>One of which everything is.</summary>
    public static Instance Full()
    {
        var instance = Plain();
        instance.Set("key_name", "mine");
        instance.Set("key_data", "ssh-rsa AAAA");
        instance.Set("user_data", Convert.ToBase64String(Encoding.UTF8.GetBytes(UserData)));
        instance.Set("metadata", new JObject { ["role"] = "wéb", ["empty"] = "" });
        instance.Set("default_ephemeral_device", "/dev/vdb");
        instance.Set("keypairs", List("KeyPairList", "1.3", Make("KeyPair", "1.4", new JObject
        {
            ["id"] = 3,
            ["name"] = "mine",
            ["user_id"] = "u",
            ["fingerprint"] = "f",
            ["public_key"] = "ssh-rsa AAAA",
            ["type"] = "ssh",
        })));
        instance.Set("ec2_ids", Make("EC2Ids", "1.0", new JObject
        {
            ["instance_id"] = "i-00000007",
            ["ami_id"] = "ami-00000001",
            ["kernel_id"] = "aki-00000002",
            ["ramdisk_id"] = "ari-00000003",
        }));
        instance.Set("device_metadata", Make("InstanceDeviceMetadata", "1.0", new JObject
        {
            ["devices"] = new JArray(
                Make("NetworkInterfaceMetadata", "1.2", new JObject { ["mac"] = "fa:16:3e:00:00:01", ["tags"] = new JArray("nic") }),
                Make("NetworkInterfaceMetadata", "1.2", new JObject
                {
                    ["mac"] = "fa:16:3e:00:00:02",
                    ["vlan"] = 7,
                    ["vf_trusted"] = true,
                    ["bus"] = Make("PCIDeviceBus", "1.0", new JObject { ["address"] = "0000:00:02.0" }),
                }),
                Make("NetworkInterfaceMetadata", "1.2", new JObject { ["mac"] = "fa:16:3e:00:00:03" }),
                Make("DiskMetadata", "1.0", new JObject { ["tags"] = new JArray("root", "fast"), ["serial"] = "s1", ["path"] = "/dev/vda" })),
        }));
        instance.ResetChanges();
        return instance;
    }

    public static InstanceMetadata Of(Instance instance, NetworkInfo networkInfo) => new()
    {
        Instance = instance,
        NetworkInfo = networkInfo,
        Hostname = InstanceMetadata.HostnameOf(instance, "novalocal"),
        SkippedVersions = new MetadataOptions().ConfigDriveSkipVersions.Split(' ').ToHashSet(),
        UserData = instance.UserData is { } userData ? Convert.FromBase64String(userData) : null,
    };

    public static InstanceMetadata Everything() => Of(Full(), RecordedNetworks.MaxBy(network => network.Vifs.Count)!) with
    {
        AdminPassword = "pässword",
        Files = [new InjectedFile("/etc/motd", "hello"u8.ToArray()), new InjectedFile("/root/raw", [0, 255, 10])],
        VendorData = new VendorDataFiles(Vendor, new JObject { ["static"] = Vendor.DeepClone() }),
        SecurityGroups = ["default", "default", "web"],
        SkippedVersions = new HashSet<string> { "1.0" },
        BlockDevices =
        [
            Disk("image", "local", 0, "/dev/vda", null), Disk("volume", "volume", null, "/dev/vdd", null), Disk("volume", "volume", null, "/dev/vdc", null),
            Disk("blank", "local", -1, "/dev/vdb", null), Disk("blank", "local", -1, "/dev/vde", "swap"),
        ],
    };

    /// <summary>The files of a drive by path; its seeds of random numbers are sevens.</summary>
    public static Dictionary<string, byte[]> Drive(InstanceMetadata metadata) =>
        ConfigDriveContent.From(metadata, count => [.. Enumerable.Repeat((byte)7, count)]).ToDictionary(file => file.Path, file => file.Content);

    private static BlockDeviceMapping Disk(string source, string destination, int? bootIndex, string name, string? format)
    {
        var disk = NovaObject.Create<BlockDeviceMapping>();
        (disk.SourceType, disk.DestinationType, disk.BootIndex, disk.DeviceName, disk.GuestFormat) = (source, destination, bootIndex, name, format);
        return disk;
    }

    private static JObject Make(string name, string version, JObject data) => new()
    {
        ["nova_object.name"] = name,
        ["nova_object.namespace"] = "nova",
        ["nova_object.version"] = version,
        ["nova_object.data"] = data,
    };

    private static JObject List(string name, string version, params JObject[] objects) => Make(name, version, new JObject { ["objects"] = new JArray(objects) });
}
