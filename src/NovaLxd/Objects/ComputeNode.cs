using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>What this host has and what of it is used. Memory in MiB, disks in GiB.</summary>
internal sealed class ComputeNode(JObject primitive) : NovaObject(primitive), INovaView<ComputeNode>
{
    public static string ObjectName => "ComputeNode";

    public static ComputeNode View(JObject primitive) => new(primitive);

    internal int Id
    {
        get => GetInt("id") ?? 0;
        set => Set("id", value);
    }

    internal string Uuid
    {
        get => GetText("uuid");
        set => Set("uuid", value);
    }

    internal int? ServiceId
    {
        get => GetInt("service_id");
        set => Set("service_id", value);
    }

    internal string? Host
    {
        get => GetString("host");
        set => Set("host", value);
    }

    internal int Vcpus
    {
        get => GetInt("vcpus") ?? 0;
        set => Set("vcpus", value);
    }

    internal int MemoryMb
    {
        get => GetInt("memory_mb") ?? 0;
        set => Set("memory_mb", value);
    }

    internal int LocalGb
    {
        get => GetInt("local_gb") ?? 0;
        set => Set("local_gb", value);
    }

    internal int VcpusUsed
    {
        get => GetInt("vcpus_used") ?? 0;
        set => Set("vcpus_used", value);
    }

    internal int MemoryMbUsed
    {
        get => GetInt("memory_mb_used") ?? 0;
        set => Set("memory_mb_used", value);
    }

    internal int LocalGbUsed
    {
        get => GetInt("local_gb_used") ?? 0;
        set => Set("local_gb_used", value);
    }

    internal string HypervisorType
    {
        get => GetText("hypervisor_type");
        set => Set("hypervisor_type", value);
    }

    internal int HypervisorVersion
    {
        get => GetInt("hypervisor_version") ?? 0;
        set => Set("hypervisor_version", value);
    }

    internal string? HypervisorHostname
    {
        get => GetString("hypervisor_hostname");
        set => Set("hypervisor_hostname", value);
    }

    internal int? FreeRamMb
    {
        get => GetInt("free_ram_mb");
        set => Set("free_ram_mb", value);
    }

    internal int? FreeDiskGb
    {
        get => GetInt("free_disk_gb");
        set => Set("free_disk_gb", value);
    }

    internal int? CurrentWorkload
    {
        get => GetInt("current_workload");
        set => Set("current_workload", value);
    }

    internal int? RunningVms
    {
        get => GetInt("running_vms");
        set => Set("running_vms", value);
    }

    /// <summary>JSON in a string: vendor, model, arch, features, topology.</summary>
    internal string? CpuInfo
    {
        get => GetString("cpu_info");
        set => Set("cpu_info", value);
    }

    internal int? DiskAvailableLeast
    {
        get => GetInt("disk_available_least");
        set => Set("disk_available_least", value);
    }

    internal string? Metrics
    {
        get => GetString("metrics");
        set => Set("metrics", value);
    }

    internal StringMap Stats => GetMap("stats");

    internal string? HostIp
    {
        get => GetString("host_ip");
        set => Set("host_ip", value);
    }

    internal string? NumaTopology
    {
        get => GetString("numa_topology");
        set => Set("numa_topology", value);
    }

    internal IReadOnlyList<HvSpec> SupportedHvSpecs
    {
        get => GetObjects<HvSpec>("supported_hv_specs");
        set => SetObjects("supported_hv_specs", value);
    }

    internal NovaList<PciDevicePool>? PciDevicePools
    {
        get => GetObject<NovaList<PciDevicePool>>("pci_device_pools");
        set => SetObject("pci_device_pools", value);
    }

    internal double? CpuAllocationRatio
    {
        get => GetDouble("cpu_allocation_ratio");
        set => Set("cpu_allocation_ratio", value);
    }

    internal double? RamAllocationRatio
    {
        get => GetDouble("ram_allocation_ratio");
        set => Set("ram_allocation_ratio", value);
    }

    internal double? DiskAllocationRatio
    {
        get => GetDouble("disk_allocation_ratio");
        set => Set("disk_allocation_ratio", value);
    }

    internal int Mapped
    {
        get => GetInt("mapped") ?? 0;
        set => Set("mapped", value);
    }

    internal bool Deleted
    {
        get => GetBool("deleted");
        set => Set("deleted", value);
    }
}

/// <summary>A kind of guest the host can run.</summary>
internal sealed class HvSpec(JObject primitive) : NovaObject(primitive), INovaView<HvSpec>
{
    public static string ObjectName => "HVSpec";

    public static HvSpec View(JObject primitive) => new(primitive);

    internal string Arch
    {
        get => GetText("arch");
        set => Set("arch", value);
    }

    internal string HvType
    {
        get => GetText("hv_type");
        set => Set("hv_type", value);
    }

    internal string VmMode
    {
        get => GetText("vm_mode");
        set => Set("vm_mode", value);
    }
}

/// <summary>Devices of one sort on the host.</summary>
internal sealed class PciDevicePool(JObject primitive) : NovaObject(primitive), INovaView<PciDevicePool>
{
    public static string ObjectName => "PciDevicePool";

    public static PciDevicePool View(JObject primitive) => new(primitive);

    internal string ProductId
    {
        get => GetText("product_id");
        set => Set("product_id", value);
    }

    internal string VendorId
    {
        get => GetText("vendor_id");
        set => Set("vendor_id", value);
    }

    internal int? NumaNode
    {
        get => GetInt("numa_node");
        set => Set("numa_node", value);
    }

    internal int Count
    {
        get => GetInt("count") ?? 0;
        set => Set("count", value);
    }
}
