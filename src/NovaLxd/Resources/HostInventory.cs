using Newtonsoft.Json;
using NovaLxd.OpenStack.Placement.Models;
using NovaLxd.Virt;

namespace NovaLxd.Resources;

/// <summary>The host's capacity in Nova's and Placement's units. Pure.</summary>
internal sealed record HostInventory(int Vcpus, int MemoryMb, int LocalGb, int DiskFreeGb, string CpuInfo)
{
    /// <summary>Resource classes that the host itself fills: a provider configuration file cannot.</summary>
    public static IReadOnlyList<string> Classes { get; } = ["VCPU", "PCPU", "MEMORY_MB", "DISK_GB"];

    /// <param name="host">As the driver layer sees it.</param>
    /// <param name="sharedCpus">Processors in <c>cpu_shared_set</c>; null: all.</param>
    public static HostInventory From(HostDescription host, int? sharedCpus) => new(
        Math.Min(sharedCpus ?? host.Processors, host.Processors),
        (int)(host.MemoryBytes >> 20),
        (int)(host.DiskBytes >> 30),
        (int)((host.DiskBytes - host.DiskUsedBytes) >> 30),
        JsonConvert.SerializeObject(new
        {
            arch = host.Architecture,
            model = host.Cpu.Model,
            vendor = host.Cpu.Vendor,
            features = host.Cpu.Flags,
            topology = new { cells = 1, sockets = host.Cpu.Sockets, cores = host.Cpu.CoresPerSocket, threads = host.Cpu.ThreadsPerCore },
        }));

    /// <summary>
    /// Placement's inventories. An allocation ratio the operator did not set is what Placement has already (an administrator may have changed it there),
    /// and for a new provider the initial one.
    /// </summary>
    public IReadOnlyDictionary<string, Inventory> ToPlacement(
        ResourceOptions options, InitialRatios initial, IReadOnlyDictionary<string, Inventory> present)
    {
        Inventory One(string resourceClass, int total, int reserved, double? configured, double first) => new(total)
        {
            MinUnit = 1,
            MaxUnit = total,
            StepSize = 1,
            Reserved = Math.Min(reserved, total),
            AllocationRatio = configured is > 0 ? configured : present.GetValueOrDefault(resourceClass)?.AllocationRatio ?? first,
        };

        var inventories = new Dictionary<string, Inventory>
        {
            ["VCPU"] = One("VCPU", Vcpus, options.ReservedHostCpus, options.CpuAllocationRatio, initial.Cpu),
            ["MEMORY_MB"] = One("MEMORY_MB", MemoryMb, options.ReservedHostMemoryMb, options.RamAllocationRatio, initial.Ram),
        };
        if (LocalGb > 0)
        {
            inventories["DISK_GB"] = One("DISK_GB", LocalGb, (options.ReservedHostDiskMb + 1023) / 1024, options.DiskAllocationRatio, initial.Disk);
        }

        return inventories;
    }
}

/// <summary>Allocation ratios of a host that is new; Nova lowered its defaults with 2023.1.</summary>
internal sealed record InitialRatios(double Cpu, double Ram, double Disk)
{
    private const int FirstServiceVersionOf2023 = 66;

    public static InitialRatios For(ResourceOptions options, int controlPlaneServiceVersion)
    {
        var older = controlPlaneServiceVersion < FirstServiceVersionOf2023;
        return new(
            options.InitialCpuAllocationRatio ?? (older ? 16.0 : 4.0),
            options.InitialRamAllocationRatio ?? (older ? 1.5 : 1.0),
            options.InitialDiskAllocationRatio);
    }
}
