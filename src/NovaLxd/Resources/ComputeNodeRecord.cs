using System.Globalization;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.OpenStack.Placement.Models;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Resources;

/// <summary>The compute node's row in the database: found or made, filled, and saved only when something differs from what was saved last.</summary>
internal sealed class ComputeNodeRecord(
    ConductorClient conductor, ResourceOptions resources, ServiceOptions service, ControlPlane controlPlane, ILogger<ComputeNodeRecord> logger)
{
    private const int PlaceValue = 1000;

    private Service? _service;
    private JToken? _saved;

    /// <summary>By uuid, else by its names, else made. True: it is new.</summary>
    /// <exception cref="ConfigurationException">The row belongs to another host name: this host was renamed.</exception>
    public async Task<(ComputeNode Node, bool IsNew)> FindOrCreateAsync(
        RequestContext context, NodeIdentity identity, HostInventory inventory, HostDescription host, Service? owner, CancellationToken cancellationToken)
    {
        if (await FindAsync(context, identity, cancellationToken) is { } known)
        {
            identity.Check(known);
            _saved = Snapshot(known);
            return (known, false);
        }

        var node = NovaObject.Create<ComputeNode>();
        node.Uuid = identity.Uuid;
        node.Host = service.Host;
        node.VcpusUsed = 0;
        node.MemoryMbUsed = 0;
        node.LocalGbUsed = 0;
        node.NumaTopology = null;
        node.Set("stats", new JObject { [NodeStats.FailedBuilds] = "0" });
        var initial = InitialRatios.For(resources, controlPlane.ServiceVersion);
        node.CpuAllocationRatio = initial.Cpu;
        node.RamAllocationRatio = initial.Ram;
        node.DiskAllocationRatio = initial.Disk;
        SetCapacity(node, identity, inventory, host);
        SetService(node, owner);
        await conductor.CreateAsync(context, node, cancellationToken);
        logger.LogInformation("Compute node record created for {Host}:{Node} with uuid {Uuid}", node.Host, node.HypervisorHostname, node.Uuid);
        return (node, true);
    }

    public void SetCapacity(ComputeNode node, NodeIdentity identity, HostInventory inventory, HostDescription host)
    {
        Set(node, "vcpus", inventory.Vcpus);
        Set(node, "memory_mb", inventory.MemoryMb);
        Set(node, "local_gb", inventory.LocalGb);
        Set(node, "disk_available_least", inventory.DiskFreeGb);
        Set(node, "hypervisor_type", "lxd");
        Set(node, "hypervisor_version", KernelVersion(host.KernelRelease));
        Set(node, "hypervisor_hostname", identity.NodeName);
        Set(node, "host_ip", service.MyIp);
        Set(node, "cpu_info", inventory.CpuInfo);
        if (!node.IsSet("supported_hv_specs") || node.SupportedHvSpecs.Count == 0)
        {
            var spec = NovaObject.Create<HvSpec>();
            spec.Arch = host.Architecture;
            spec.HvType = "lxd";
            spec.VmMode = "exe";
            node.SupportedHvSpecs = [spec];
        }
    }

    /// <summary>
    /// Says whose node it is. The row of the service may be another than last time: an administrator can delete it, and it is made anew at the next start.
    /// </summary>
    public void SetService(ComputeNode node, Service? owner)
    {
        if (!controlPlane.HasComputeIds || owner is null)
        {
            return;
        }

        if (node.IsSet("service_id") && node.ServiceId is { } other && other != owner.Id)
        {
            logger.LogWarning("Moving compute node {Uuid} from service {Old} to {New}", node.Uuid, other, owner.Id);
        }

        Set(node, "service_id", owner.Id);
    }

    public void SetUsage(ComputeNode node, HostInventory inventory, IReadOnlyCollection<TrackedInstance> instances, int failedBuilds)
    {
        var vcpus = resources.ReservedHostCpus + instances.Sum(i => i.Total.Vcpus);
        var memory = resources.ReservedHostMemoryMb + instances.Sum(i => i.Total.MemoryMb);
        var disk = (resources.ReservedHostDiskMb / 1024) + instances.Sum(i => i.Total.DiskGb);
        Set(node, "vcpus_used", vcpus);
        Set(node, "memory_mb_used", memory);
        Set(node, "local_gb_used", disk);
        Set(node, "free_ram_mb", inventory.MemoryMb - memory);
        Set(node, "free_disk_gb", inventory.LocalGb - disk);
        Set(node, "current_workload", instances.Count(i => i.TaskState is not null));
        Set(node, "running_vms", instances.Count);
        Set(node, "metrics", "[]");
        Set(node, "stats", JObject.FromObject(NodeStats.From(instances, failedBuilds)));
        if (!node.IsSet("pci_device_pools") || node.PciDevicePools is null)
        {
            node.PciDevicePools = NovaList<PciDevicePool>.Of([]);
        }
    }

    /// <summary>The ratios as Placement has them, which may not be what the file says.</summary>
    public void SetRatios(ComputeNode node, IReadOnlyDictionary<string, Inventory> inventories)
    {
        void One(string field, string resourceClass)
        {
            if (inventories.GetValueOrDefault(resourceClass)?.AllocationRatio is { } ratio)
            {
                Set(node, field, ratio);
            }
        }

        One("cpu_allocation_ratio", "VCPU");
        One("ram_allocation_ratio", "MEMORY_MB");
        One("disk_allocation_ratio", "DISK_GB");
    }

    public async Task SaveIfChangedAsync(RequestContext context, ComputeNode node, CancellationToken cancellationToken)
    {
        if (JToken.DeepEquals(_saved, Snapshot(node)))
        {
            node.ResetChanges();
            return;
        }

        await conductor.SaveAsync(context, node, cancellationToken);
        _saved = Snapshot(node);
    }

    /// <summary>The service's row: its id, and whether an administrator disabled it. At start on a new host there may be none yet: null; later, an unanswered
    /// question keeps the last answer.</summary>
    public async Task<Service?> FindServiceAsync(RequestContext context, bool startup, CancellationToken cancellationToken)
    {
        try
        {
            return _service = await conductor.GetServiceByComputeHostAsync(context, service.Host, cancellationToken);
        }
        catch (ComputeHostNotFoundException) when (startup)
        {
            return null;
        }
        catch (ComputeHostNotFoundException e)
        {
            logger.LogWarning("The service's record could not be read: {Reason}", e.Message);
            return _service;
        }
    }

    private async Task<ComputeNode?> FindAsync(RequestContext context, NodeIdentity identity, CancellationToken cancellationToken)
    {
        try
        {
            return await conductor.GetComputeNodeByUuidAsync(context, identity.Uuid, cancellationToken);
        }
        catch (ComputeHostNotFoundException)
        {
            return null;
        }
    }

    private static void Set(ComputeNode node, string field, JToken? value)
    {
        if (!node.IsSet(field) || !JToken.DeepEquals(node.Get(field), value))
        {
            node.Set(field, value);
        }
    }

    private static JObject Snapshot(ComputeNode node)
    {
        var copy = (JObject)node.ToPrimitive()[NovaObject.DataKey]!.DeepClone();
        copy.Remove("updated_at");
        return copy;
    }

    /// <summary>"6.1.0-18-amd64" to 6001000, as Nova writes versions.</summary>
    internal static int KernelVersion(string release)
    {
        var parts = release.Split('.', '-', '+');
        int Part(int i) => i < parts.Length && int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 0;
        return (((Part(0) * PlaceValue) + Part(1)) * PlaceValue) + Part(2);
    }
}
