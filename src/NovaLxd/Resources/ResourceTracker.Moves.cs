using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Resources;

/// <summary>The books of a resize on this host: until it is confirmed or reverted, the instance counts with both its flavors.</summary>
internal sealed partial class ResourceTracker
{
    private static readonly string[] MovedAttributes = ["numa_topology", "pci_requests", "pci_devices", "resources"];

    /// <summary>
    /// Takes room for an instance's new flavor: (1) the migration says where it goes (2) the instance, what it will have there (3) usage. The instance's
    /// new_flavor is set by then.
    /// </summary>
    /// <exception cref="ComputeResourcesUnavailableException">It needs what this host has not.</exception>
    public async Task ClaimMoveAsync(
        RequestContext context, Instance instance, Flavor flavor, string? nodeName, Migration migration, CancellationToken cancellationToken)
    {
        await conductor.LoadAttributesAsync(context, instance, MovedAttributes, cancellationToken);
        using var held = await EnterAsync(cancellationToken);
        var node = _node ?? throw new ComputeResourcesUnavailableException("the host has not reported its resources yet");
        if (nodeName is not null && nodeName != node.HypervisorHostname)
        {
            throw new ComputeResourcesUnavailableException($"this host has no node {nodeName}, only {node.HypervisorHostname}");
        }

        if (flavor.IsSet("extra_specs") && flavor.ExtraSpecs.Find("pci_passthrough:alias") is { Length: > 0 })
        {
            throw new ComputeResourcesUnavailableException("Claim pci failed: this host offers no PCI devices");
        }

        // (1)
        migration.DestCompute = options.Host;
        migration.DestNode = node.HypervisorHostname;
        migration.DestHost = options.MyIp;
        migration.Status = "pre-migrating";
        if (Version.Parse(migration.KindVersion) >= new Version(1, 8))
        {
            migration.Set("dest_compute_id", node.Id);
        }

        await conductor.SaveAsync(context, migration, cancellationToken);

        // (2)
        instance.MigrationContext = ContextOf(instance, migration);
        await conductor.SaveAsync(context, instance, cancellationToken);

        // (3) An instance of another host has here what it is going to have, and no more.
        var tracked = TrackedInstance.From(instance);
        _tracked[instance.Uuid] = migration.SourceCompute == options.Host ? tracked : tracked with { Usage = ResourceUsage.Of(flavor), FlavorName = flavor.Name, Held = null };
        await SaveUsageAsync(context, cancellationToken);
    }

    /// <summary>The instance counts with one flavor again.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="instance">The instance.</param>
    /// <param name="left">The flavor that it keeps.</param>
    /// <param name="cancellationToken">Ends waiting for the conductor.</param>
    public async Task DropMoveAsync(RequestContext context, Instance instance, Flavor left, CancellationToken cancellationToken)
    {
        using var held = await EnterAsync(cancellationToken);
        if (_tracked.ContainsKey(instance.Uuid))
        {
            _tracked[instance.Uuid] = TrackedInstance.From(instance) with { Usage = ResourceUsage.Of(left), FlavorName = left.Name, Held = null };
        }

        await SaveUsageAsync(context, cancellationToken);
    }

    /// <summary>An instance that came from another host is this one's. What it had there is held there.</summary>
    public async Task InstanceArrivedAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        using (await EnterAsync(cancellationToken))
        {
            _tracked[instance.Uuid] = TrackedInstance.From(instance) with { Held = null };
            await SaveUsageAsync(context, cancellationToken);
        }

        await scheduler.InstanceChangedAsync(context, instance, cancellationToken);
    }

    /// <summary>An instance that was to come here from another host does not.</summary>
    public async Task DropArrivalAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        using var held = await EnterAsync(cancellationToken);
        _tracked.Remove(instance.Uuid);
        await SaveUsageAsync(context, cancellationToken);
    }

    /// <summary>
    /// An evacuated instance is this host's: (1) its row says so (2) the migration is over, and only then. In one go, for whoever makes the books anew meanwhile
    /// goes by either.
    /// </summary>
    public async Task FinishEvacuationAsync(RequestContext context, Instance instance, Migration migration, CancellationToken cancellationToken)
    {
        using var held = await EnterAsync(cancellationToken);

        // (1)
        var node = _node ?? await conductor.GetComputeNodeByUuidAsync(context, identity.Uuid, cancellationToken);
        ApplyContext(instance, "new_");
        instance.PlaceOn(options.Host, node.HypervisorHostname, node.Id);
        await conductor.SaveAsync(context, instance, cancellationToken);
        await conductor.DropMigrationContextAsync(context, instance, cancellationToken);
        _tracked[instance.Uuid] = TrackedInstance.From(instance) with { Held = null };
        await SaveUsageAsync(context, cancellationToken);

        // (2)
        migration.Status = "done";
        await conductor.SaveAsync(context, migration, cancellationToken);
    }

    /// <summary>Puts what the claim foresaw into the instance, or what was there before it (apply_migration_context, revert_migration_context).</summary>
    /// <param name="instance">With its context.</param>
    /// <param name="prefix">"new_" or "old_".</param>
    public static void ApplyContext(Instance instance, string prefix)
    {
        if (!instance.IsSet("migration_context") || instance.MigrationContext is not { } moved)
        {
            return;
        }

        foreach (var attribute in MovedAttributes.Where(a => moved.IsSet(prefix + a)))
        {
            instance.Set(attribute, moved.Get(prefix + attribute).DeepClone());
        }
    }

    /// <summary>What the books say of an instance that changed. One whose flavors were not loaded holds what it held.</summary>
    private TrackedInstance Track(Instance instance)
    {
        var tracked = TrackedInstance.From(instance);
        return instance.IsSet("new_flavor") ? tracked : tracked with { Held = _tracked.GetValueOrDefault(instance.Uuid)?.Held };
    }

    private bool StaysHere(Migration migration) => migration.SourceCompute == options.Host && migration.DestCompute == options.Host;

    private static MigrationContext ContextOf(Instance instance, Migration migration)
    {
        var moved = NovaObject.Create<MigrationContext>();
        moved.InstanceUuid = instance.Uuid;
        moved.MigrationId = migration.Id;
        foreach (var attribute in MovedAttributes)
        {
            moved.Set("old_" + attribute, instance.IsSet(attribute) ? instance.Get(attribute).DeepClone() : null);
        }

        // This host gives no device and no part of a NUMA node.
        var requests = NovaObject.Create<InstancePciRequests>();
        requests.InstanceUuid = instance.Uuid;
        requests.Requests = [];
        moved.Set("new_numa_topology", null);
        moved.SetObject("new_pci_requests", requests);
        moved.SetObject("new_pci_devices", NovaList<PciDevice>.Of([]));
        moved.Set("new_resources", JValue.CreateNull());
        return moved;
    }
}
