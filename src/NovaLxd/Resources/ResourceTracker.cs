using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Resources;

/// <summary>
/// What of this host is used, and by whom (nova/compute/resource_tracker.py). One lock guards the books; whoever holds it also writes them to the database
/// and to Placement, so that both see them in order. The books are made anew from the database by <see cref="UpdateAsync"/>.
/// </summary>
internal sealed partial class ResourceTracker(
    ConductorClient conductor,
    IContainerDriver driver,
    NodeIdentity identity,
    ComputeNodeRecord record,
    PlacementReporter placement,
    SchedulerNotifier scheduler,
    CpuSets cpuSets,
    ServiceOptions options,
    ILogger<ResourceTracker> logger) : IDisposable
{
    private static readonly string[] TrackedAttributes = ["system_metadata", "numa_topology", "flavor", "old_flavor", "new_flavor", "migration_context", "resources"];

    private readonly SemaphoreSlim _lock = new(1);
    private readonly Dictionary<string, TrackedInstance> _tracked = [];
    private ComputeNode? _node;
    private HostInventory? _inventory;
    private int _failedBuilds;
    private volatile IReadOnlyDictionary<string, int> _flavorFits = new Dictionary<string, int>();

    /// <summary>The compute node's row; null before the first <see cref="UpdateAsync"/>.</summary>
    public ComputeNode? Node => _node;

    /// <summary>What is left of each resource class, for metrics: capacity with overcommit less what is used.</summary>
    public (int Vcpus, int MemoryMb, int DiskGb) Free => _node is not { } node ? default : (
        (int)(node.Vcpus * (node.CpuAllocationRatio ?? 1)) - node.VcpusUsed,
        (int)(node.MemoryMb * (node.RamAllocationRatio ?? 1)) - node.MemoryMbUsed,
        (int)(node.LocalGb * (node.DiskAllocationRatio ?? 1)) - node.LocalGbUsed);

    /// <summary>How many more instances of each flavor that is in use here would fit.</summary>
    public IReadOnlyDictionary<string, int> FlavorFits => _flavorFits;

    /// <summary>
    /// Takes an instance onto this host: its row says so before anything is made for it.
    /// </summary>
    /// <exception cref="ComputeResourcesUnavailableException">It needs what this host has not.</exception>
    public async Task<Claim> ClaimAsync(RequestContext context, Instance instance, string? nodeName, CancellationToken cancellationToken)
    {
        using var held = await EnterAsync(cancellationToken);
        var node = _node ?? throw new ComputeResourcesUnavailableException("the host has not reported its resources yet");
        if (nodeName is not null && nodeName != node.HypervisorHostname)
        {
            throw new ComputeResourcesUnavailableException($"this host has no node {nodeName}, only {node.HypervisorHostname}");
        }

        if (instance.IsSet("pci_requests") && instance.PciRequests is { Requests.Count: > 0 })
        {
            throw new ComputeResourcesUnavailableException("Claim pci failed: this host offers no PCI devices");
        }

        instance.PlaceOn(options.Host, node.HypervisorHostname, node.Id);
        instance.LaunchedOn = options.Host;
        await conductor.SaveAsync(context, instance, cancellationToken);
        _tracked[instance.Uuid] = TrackedInstance.From(instance);
        await SaveUsageAsync(context, cancellationToken);
        return new Claim(this, instance);
    }

    /// <summary>Takes an instance's share back that was claimed and is not used; its row no longer names this host.</summary>
    public async Task AbortAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        using var held = await EnterAsync(cancellationToken);
        _tracked.Remove(instance.Uuid);
        await SaveUsageAsync(context, cancellationToken);
        instance.PlaceOn(null, null, null);
        try
        {
            await conductor.SaveAsync(context, instance, cancellationToken);
        }
        catch (InstanceNotFoundException)
        {
            logger.LogDebug("The instance was deleted before its claim was taken back.");
        }
    }

    /// <summary>The instance is in another state now: the statistics and the scheduler hear of it.</summary>
    public async Task InstanceChangedAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        using (await EnterAsync(cancellationToken))
        {
            _tracked[instance.Uuid] = Track(instance);
            await SaveUsageAsync(context, cancellationToken);
        }

        await scheduler.InstanceChangedAsync(context, instance, cancellationToken);
    }

    /// <summary>The instance is gone: its share is free.</summary>
    public async Task InstanceDeletedAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        using (await EnterAsync(cancellationToken))
        {
            if (_tracked.Remove(instance.Uuid))
            {
                await SaveUsageAsync(context, cancellationToken);
            }
        }

        await scheduler.InstanceDeletedAsync(context, instance.Uuid, cancellationToken);
    }

    public void BuildFailed() => Interlocked.Increment(ref _failedBuilds);

    public void BuildSucceeded() => Interlocked.Exchange(ref _failedBuilds, 0);

    /// <summary>
    /// Makes the books anew: (1) the host (2) its row (3) instances and moves (4) the row's usage (5) Placement (6) orphans.
    /// </summary>
    public async Task UpdateAsync(RequestContext context, bool startup, CancellationToken cancellationToken)
    {
        using var held = await EnterAsync(cancellationToken);

        // (1)
        var host = await driver.DescribeHostAsync(cancellationToken);
        _inventory = HostInventory.From(host, cpuSets.SharedCount);

        // (2)
        var isNew = false;
        var owner = await record.FindServiceAsync(context, startup, cancellationToken);
        if (_node is null)
        {
            (_node, isNew) = await record.FindOrCreateAsync(context, identity, _inventory, host, owner, cancellationToken);
        }

        record.SetCapacity(_node, identity, _inventory, host);
        record.SetService(_node, owner);

        // (3)
        var known = await RebuildAsync(context, _node, cancellationToken);

        // (4)
        await SaveUsageAsync(context, cancellationToken);

        // (5)
        var tree = await placement.ReportAsync(context, _node, _inventory, host, owner is { Disabled: true }, cancellationToken);
        record.SetRatios(_node, tree[_node.Uuid].Inventories);
        await record.SaveIfChangedAsync(context, _node, cancellationToken);

        // (6) A new node has nothing allocated.
        if (!isNew)
        {
            await placement.RemoveOrphansAsync(context, _node, known, cancellationToken);
        }
    }

    public void Dispose() => _lock.Dispose();

    /// <summary>The instances of this host by the database. Returns every consumer whose allocation has a reason.</summary>
    private async Task<IReadOnlySet<string>> RebuildAsync(RequestContext context, ComputeNode node, CancellationToken cancellationToken)
    {
        var instances = await conductor.GetInstancesByHostAndNodeAsync(context, options.Host, node.HypervisorHostname!, TrackedAttributes, cancellationToken);
        var migrations = await conductor.GetMigrationsInProgressAndErrorAsync(context, options.Host, node.HypervisorHostname!, cancellationToken);
        var known = instances.Select(i => i.Uuid).Concat(migrations.Select(m => m.Uuid)).ToHashSet();
        _tracked.Clear();
        foreach (var instance in instances.Where(i => !TrackedInstance.FreesResources(i.VmState)))
        {
            var tracked = TrackedInstance.From(instance);
            _tracked[instance.Uuid] = migrations.Any(m => m.InstanceUuid == instance.Uuid && StaysHere(m)) ? tracked : tracked with { Held = null };
        }

        foreach (var migration in migrations.Where(m => m.InstanceUuid is not null && !_tracked.ContainsKey(m.InstanceUuid)))
        {
            if (await FindMovingAsync(context, migration, cancellationToken) is { } moving)
            {
                _tracked[migration.InstanceUuid!] = moving;
                known.Add(migration.InstanceUuid!);
            }
        }

        return known;
    }

    /// <summary>An instance that is not here but on its way here, or gone from here and not confirmed: the flavor it has, or has had, on this host.</summary>
    private async Task<TrackedInstance?> FindMovingAsync(RequestContext context, Migration migration, CancellationToken cancellationToken)
    {
        try
        {
            var instance = await conductor.GetInstanceAsync(
                context, migration.InstanceUuid!, TrackedAttributes, cancellationToken);
            if (!TrackedInstance.IsMoving(instance))
            {
                // A move that failed in the end: the instance is where its row says.
                return null;
            }

            var incoming = migration.DestCompute == options.Host;
            var flavor = (incoming ? instance.NewFlavor : instance.OldFlavor) ?? instance.Flavor;
            return TrackedInstance.From(instance) with { Usage = ResourceUsage.Of(flavor), Held = null };
        }
        catch (InstanceNotFoundException)
        {
            logger.LogDebug("Migration {Migration} is of an instance that was deleted", migration.Uuid);
            return null;
        }
    }

    private async Task SaveUsageAsync(RequestContext context, CancellationToken cancellationToken)
    {
        if (_node is null)
        {
            // Before the first update, which makes the books anew (recovery at start).
            return;
        }

        record.SetUsage(_node!, _inventory!, _tracked.Values, Volatile.Read(ref _failedBuilds));
        await record.SaveIfChangedAsync(context, _node!, cancellationToken);
        var free = Free;
        _flavorFits = _tracked.Values.Where(i => i.FlavorName is not null).DistinctBy(i => i.FlavorName)
            .ToDictionary(i => i.FlavorName!, i => i.Usage.FitsInto(free));
    }

    private async Task<Held> EnterAsync(CancellationToken cancellationToken)
    {
        await _lock.WaitAsync(cancellationToken);
        return new Held(_lock);
    }

    private readonly struct Held(SemaphoreSlim gate) : IDisposable
    {
        public void Dispose() => gate.Release();
    }
}

/// <summary>An instance's share of the host, until it is aborted.</summary>
internal sealed class Claim(ResourceTracker tracker, Instance instance)
{
    public Task AbortAsync(RequestContext context, CancellationToken cancellationToken) => tracker.AbortAsync(context, instance, cancellationToken);
}
