using System.Collections.Frozen;
using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>
/// The version of every object we know, sent along with a query so that the conductor answers in versions we asked for. The floor is Zed; which of
/// the few later versions may be used follows from the conductors' service version, because a conductor that is asked for an object newer than
/// its own refuses (or, on later releases, calls itself to downgrade it without end).
/// </summary>
internal sealed class Manifest
{
    /// <summary>Objects whose version changed after Zed: the smallest service version whose release has it (nova/objects/service.py), and the version.</summary>
    private static readonly (int Service, string Name, string Version)[] Later =
    [
        (67, "Instance", "2.8"),
        (67, "Migration", "1.8"),
        (67, "RequestSpec", "1.15"),
        (67, "ImageMetaProps", "1.37"),
        (67, "ConsoleAuthToken", "1.2"),
        (67, "LibvirtLiveMigrateData", "1.11"),
        (68, "ImageMetaProps", "1.39"),
        (68, "ConsoleAuthToken", "1.3"),
        (68, "LibvirtLiveMigrateData", "1.13"),
        (68, "ShareMapping", "1.2"),
        (68, "ShareMappingList", "1.0"),
        (68, "ShareMetadata", "1.0"),
        (70, "ImageMetaProps", "1.42"),
        (72, "LibvirtLiveMigrateData", "1.14"),
        (73, "ImageMetaProps", "1.43"),
    ];

    private readonly FrozenDictionary<string, string> _versions;

    private Manifest(IEnumerable<KeyValuePair<string, string>> versions) => _versions = versions.ToFrozenDictionary();

    internal static Manifest Zed { get; } = new(new Dictionary<string, string>
    {
        ["BlockDeviceMapping"] = "1.21",
        ["BlockDeviceMappingList"] = "1.18",
        ["ComputeNode"] = "1.19",
        ["ComputeNodeList"] = "1.17",
        ["ConsoleAuthToken"] = "1.1",
        ["CpuDiagnostics"] = "1.0",
        ["Destination"] = "1.4",
        ["DeviceBus"] = "1.0",
        ["DeviceMetadata"] = "1.0",
        ["Diagnostics"] = "1.0",
        ["DiskDiagnostics"] = "1.0",
        ["DiskMetadata"] = "1.0",
        ["EC2Ids"] = "1.0",
        ["Flavor"] = "1.2",
        ["HVSpec"] = "1.2",
        ["IDEDeviceBus"] = "1.0",
        ["ImageMeta"] = "1.8",
        ["ImageMetaProps"] = "1.34",
        ["Instance"] = "2.7",
        ["InstanceAction"] = "1.2",
        ["InstanceActionEvent"] = "1.4",
        ["InstanceDeviceMetadata"] = "1.0",
        ["InstanceExternalEvent"] = "1.5",
        ["InstanceFault"] = "1.2",
        ["InstanceGroup"] = "1.11",
        ["InstanceInfoCache"] = "1.5",
        ["InstanceList"] = "2.6",
        ["InstanceNUMACell"] = "1.6",
        ["InstanceNUMATopology"] = "1.3",
        ["InstancePCIRequest"] = "1.4",
        ["InstancePCIRequests"] = "1.1",
        ["KeyPair"] = "1.4",
        ["KeyPairList"] = "1.3",
        ["LibvirtLiveMigrateBDMInfo"] = "1.1",
        ["LibvirtLiveMigrateData"] = "1.10",
        ["LibvirtLiveMigrateNUMAInfo"] = "1.0",
        ["MemoryDiagnostics"] = "1.0",
        ["Migration"] = "1.7",
        ["MigrationContext"] = "1.2",
        ["MigrationList"] = "1.5",
        ["NetworkInterfaceMetadata"] = "1.2",
        ["NetworkMetadata"] = "1.0",
        ["NetworkRequest"] = "1.3",
        ["NetworkRequestList"] = "1.1",
        ["NicDiagnostics"] = "1.0",
        ["NUMATopologyLimits"] = "1.1",
        ["PCIDeviceBus"] = "1.0",
        ["PciDevice"] = "1.7",
        ["PciDeviceList"] = "1.3",
        ["PciDevicePool"] = "1.1",
        ["PciDevicePoolList"] = "1.1",
        ["RequestGroup"] = "1.3",
        ["RequestLevelParams"] = "1.1",
        ["RequestSpec"] = "1.14",
        ["Resource"] = "1.0",
        ["ResourceList"] = "1.0",
        ["ResourceMetadata"] = "1.0",
        ["SchedulerLimits"] = "1.0",
        ["SchedulerRetries"] = "1.1",
        ["SCSIDeviceBus"] = "1.0",
        ["SecurityGroup"] = "1.2",
        ["SecurityGroupList"] = "1.1",
        ["Selection"] = "1.1",
        ["Service"] = "1.22",
        ["ServiceList"] = "1.19",
        ["Tag"] = "1.1",
        ["TagList"] = "1.1",
        ["TaskLog"] = "1.0",
        ["TrustedCerts"] = "1.0",
        ["USBDeviceBus"] = "1.0",
        ["VIFMigrateData"] = "1.0",
        ["VirtCPUFeature"] = "1.0",
        ["VirtCPUModel"] = "1.0",
        ["VirtCPUTopology"] = "1.0",
        ["VirtualInterface"] = "1.3",
        ["VirtualInterfaceList"] = "1.0",
        ["VolumeUsage"] = "1.0",
        ["XenDeviceBus"] = "1.0",
    });

    internal string this[string objectName] =>
        _versions.TryGetValue(objectName, out var version) ? version : throw new KeyNotFoundException($"{objectName} is not an object of this manifest.");

    internal IReadOnlyDictionary<string, string> Versions => _versions;

    /// <param name="conductorVersion">Smallest service version among the conductors (Zed: 64).</param>
    internal static Manifest For(int conductorVersion)
    {
        var versions = new Dictionary<string, string>(Zed._versions);
        foreach (var (_, name, version) in Later.Where(l => l.Service <= conductorVersion))
        {
            versions[name] = version;
        }

        return new Manifest(versions);
    }

    /// <summary>
    /// Whether an object received in this version can be used as it is. Minor versions only ever add fields, and a view keeps what it does not
    /// know; another major version is another object.
    /// </summary>
    internal bool Understands(string objectName, string version) =>
        !_versions.TryGetValue(objectName, out var ours) || Major(ours) == Major(version);

    internal JObject ToJson() => JObject.FromObject(_versions);

    private static string Major(string version) => version.Split('.')[0];
}
