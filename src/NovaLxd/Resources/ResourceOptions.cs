using System.ComponentModel.DataAnnotations;

namespace NovaLxd.Resources;

/// <summary>[DEFAULT]: what of the host is reserved, and how far it is overcommitted (nova/conf/compute.py).</summary>
internal sealed record ResourceOptions
{
    /// <summary>Processors kept for the host.</summary>
    [Range(0, int.MaxValue)]
    public int ReservedHostCpus { get; init; }

    /// <summary>MiB of memory kept for the host.</summary>
    [Range(0, int.MaxValue)]
    public int ReservedHostMemoryMb { get; init; } = 512;

    /// <summary>MiB of disk kept for the host.</summary>
    [Range(0, int.MaxValue)]
    public int ReservedHostDiskMb { get; init; }

    /// <summary>Virtual processors for each real one. Not set: what Placement has, at first initial_cpu_allocation_ratio.</summary>
    [Range(0.0, double.MaxValue)]
    public double? CpuAllocationRatio { get; init; }

    /// <summary>Memory promised for each MiB there is. Not set: what Placement has, at first initial_ram_allocation_ratio.</summary>
    [Range(0.0, double.MaxValue)]
    public double? RamAllocationRatio { get; init; }

    /// <summary>Disk promised for each GiB there is. Not set: what Placement has, at first initial_disk_allocation_ratio.</summary>
    [Range(0.0, double.MaxValue)]
    public double? DiskAllocationRatio { get; init; }

    /// <summary>Ratio a new host starts with. Default: that of the control plane's release (16.0; 4.0 from 2023.1 on).</summary>
    [Range(0.0, double.MaxValue)]
    public double? InitialCpuAllocationRatio { get; init; }

    /// <summary>Ratio a new host starts with. Default: that of the control plane's release (1.5; 1.0 from 2023.1 on).</summary>
    [Range(0.0, double.MaxValue)]
    public double? InitialRamAllocationRatio { get; init; }

    /// <summary>Ratio a new host starts with.</summary>
    [Range(0.0, double.MaxValue)]
    public double InitialDiskAllocationRatio { get; init; } = 1.0;

    /// <summary>Seconds after which a soft-deleted instance is deleted for good; 0: there is no soft delete. To be the same on API servers and hosts.</summary>
    public TimeSpan ReclaimInstanceInterval { get; init; }
}

/// <summary>[compute] (nova/conf/compute.py).</summary>
internal sealed record ComputeSectionOptions
{
    /// <summary>Processors that instances may use, "0-3,^2,8". Default: all.</summary>
    public string? CpuSharedSet { get; init; }

    /// <summary>Folder of provider configuration files (YAML) that add inventories and traits.</summary>
    public string ProviderConfigLocation { get; init; } = "/etc/nova/provider_config/";

    /// <summary>Seconds after which what Placement said about aggregates and traits is asked again; 0: never.</summary>
    public TimeSpan ResourceProviderAssociationRefresh { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>Aggregates that are asked for in one request to Placement.</summary>
    public int SharingProvidersMaxUuidsPerRequest { get; init; } = 200;
}

/// <summary>[filter_scheduler]: the one option that a compute service reads.</summary>
internal sealed record FilterSchedulerOptions
{
    /// <summary>Whether the scheduler is told which instances run here.</summary>
    public bool TrackInstanceChanges { get; init; } = true;
}
