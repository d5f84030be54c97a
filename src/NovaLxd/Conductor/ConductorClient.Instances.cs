using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Objects;

namespace NovaLxd.Conductor;

internal sealed partial class ConductorClient
{
    /// <summary>Every attribute an operation can need at once: what a freshly scheduled instance comes with.</summary>
    internal static IReadOnlyList<string> AllUsualAttributes { get; } =
    [
        "metadata", "system_metadata", "info_cache", "security_groups", "pci_devices", "flavor", "pci_requests", "migration_context", "keypairs", "tags",
        "resources",
    ];

    /// <summary>Saves what changed, whatever the task_state is.</summary>
    /// <exception cref="Outcomes.InstanceNotFoundException">The instance is gone.</exception>
    internal Task SaveAsync(RequestContext context, Instance instance, CancellationToken cancellationToken) =>
        ObjectActionAsync(context, instance, "save", [], cancellationToken);

    /// <summary>Saves what changed if the task_state in the database is one of those expected (null: none).</summary>
    /// <exception cref="Outcomes.InstanceNotFoundException">The instance is gone.</exception>
    /// <exception cref="Outcomes.UnexpectedDeletingTaskStateException">It is being deleted.</exception>
    /// <exception cref="Outcomes.UnexpectedTaskStateException">Something else is being done to it.</exception>
    internal Task SaveAsync(RequestContext context, Instance instance, IReadOnlyList<string?> expectedTaskState, CancellationToken cancellationToken) =>
        ObjectActionAsync(context, instance, "save", new JObject { ["expected_task_state"] = new JArray(expectedTaskState) }, cancellationToken);

    /// <param name="attributes">Optional attributes to load; null: Nova's usual two (info_cache, security_groups).</param>
    /// <exception cref="Outcomes.InstanceNotFoundException">There is none (or, unless the context reads deleted rows, none any more).</exception>
    internal Task<Instance> GetInstanceAsync(
        RequestContext context, string uuid, IReadOnlyList<string>? attributes, CancellationToken cancellationToken) =>
        LoadAsync<Instance>(context, "get_by_uuid", [uuid], Expected(attributes), cancellationToken);

    /// <summary>Loads the attributes the instance came without, also when it has been deleted meanwhile, and leaves its other fields alone.</summary>
    internal async Task LoadAttributesAsync(
        RequestContext context, Instance instance, IReadOnlyList<string> attributes, CancellationToken cancellationToken)
    {
        var missing = attributes.Where(a => !instance.IsSet(a)).ToList();
        if (missing.Count == 0)
        {
            return;
        }

        var loaded = await GetInstanceAsync(context.With("read_deleted", "yes"), instance.Uuid, missing, cancellationToken);
        foreach (var attribute in missing.Where(loaded.IsSet))
        {
            instance.TakeOver(attribute, loaded);
        }
    }

    internal Task<IReadOnlyList<Instance>> GetInstancesByHostAsync(
        RequestContext context, string host, IReadOnlyList<string> attributes, CancellationToken cancellationToken) =>
        ListAsync<Instance>(context, "get_by_host", [host], Expected(attributes), cancellationToken);

    internal Task<IReadOnlyList<Instance>> GetInstancesByHostAndNodeAsync(
        RequestContext context, string host, string node, IReadOnlyList<string> attributes, CancellationToken cancellationToken) =>
        ListAsync<Instance>(context, "get_by_host_and_node", [host, node], Expected(attributes), cancellationToken);

    /// <param name="filters">Nova's filters: uuid (a list), deleted, host, vm_state, <c>soft_deleted</c>, <c>changes-since</c> ...</param>
    internal Task<IReadOnlyList<Instance>> GetInstancesByFiltersAsync(
        RequestContext context, JObject filters, IReadOnlyList<string> attributes, CancellationToken cancellationToken) =>
        ListAsync<Instance>(context, "get_by_filters", [filters], Expected(attributes), cancellationToken);

    internal async Task<IReadOnlyList<string>> GetInstanceUuidsByHostAsync(RequestContext context, string host, CancellationToken cancellationToken) =>
        await ClassActionAsync(context, "InstanceList", "get_uuids_by_host", [host], [], cancellationToken) is JArray uuids
            ? uuids.Select(u => (string)u!).ToList()
            : [];

    /// <summary>Deletes the row for good or, as usual, marks it as deleted, along with its disks and its info cache.</summary>
    internal Task DestroyInstanceAsync(RequestContext context, Instance instance, CancellationToken cancellationToken) =>
        ObjectActionAsync(context, instance, "destroy", [], cancellationToken);

    internal async Task DropMigrationContextAsync(RequestContext context, Instance instance, CancellationToken cancellationToken) =>
        await ObjectActionAsync(context, instance, "drop_migration_context", [], cancellationToken);

    /// <summary>The row may have no cache yet: then <see cref="Outcomes.InstanceInfoCacheNotFoundException"/>.</summary>
    internal Task<InstanceInfoCache> GetInfoCacheAsync(RequestContext context, string instanceUuid, CancellationToken cancellationToken) =>
        LoadAsync<InstanceInfoCache>(context, "get_by_instance_uuid", [instanceUuid], [], cancellationToken);

    /// <summary>Writes the interfaces into the database and into the instance at hand.</summary>
    internal async Task SaveNetworkInfoAsync(
        RequestContext context, Instance instance, NetworkInfo networkInfo, CancellationToken cancellationToken)
    {
        var cache = NovaObject.Create<InstanceInfoCache>();
        cache.InstanceUuid = instance.Uuid;
        cache.NetworkInfo = networkInfo;
        await ObjectActionAsync(context, cache, "save", [], cancellationToken);
        instance.InfoCache = cache;
        instance.Forget("info_cache");
    }

    internal Task<IReadOnlyList<BlockDeviceMapping>> GetBlockDevicesAsync(
        RequestContext context, string instanceUuid, CancellationToken cancellationToken) =>
        ListAsync<BlockDeviceMapping>(context, "get_by_instance_uuid", [instanceUuid], [], cancellationToken);

    /// <exception cref="Outcomes.VolumeBdmNotFoundException">The volume is not attached to the instance.</exception>
    internal Task<BlockDeviceMapping> GetBlockDeviceAsync(
        RequestContext context, string volumeId, string instanceUuid, CancellationToken cancellationToken) =>
        LoadAsync<BlockDeviceMapping>(context, "get_by_volume_and_instance", [volumeId, instanceUuid], [], cancellationToken);

    internal Task<IReadOnlyList<VirtualInterface>> GetVirtualInterfacesAsync(
        RequestContext context, string instanceUuid, CancellationToken cancellationToken) =>
        ListAsync<VirtualInterface>(context, "get_by_instance_uuid", [instanceUuid], [], cancellationToken);

    internal Task<VirtualInterface?> FindVirtualInterfaceAsync(RequestContext context, string portId, CancellationToken cancellationToken) =>
        FindAsync<VirtualInterface>(context, "get_by_uuid", [portId], [], cancellationToken);

    internal Task DeleteVirtualInterfacesAsync(RequestContext context, string instanceUuid, CancellationToken cancellationToken) =>
        ClassActionAsync(context, VirtualInterface.ObjectName, "delete_by_instance_uuid", [instanceUuid], [], cancellationToken);

    internal Task CleanConsoleTokensAsync(RequestContext context, string instanceUuid, CancellationToken cancellationToken) =>
        ClassActionAsync(context, ConsoleAuthToken.ObjectName, "clean_console_auths_for_instance", [instanceUuid], [], cancellationToken);

    /// <summary>By uuid, or by name when the hint is none.</summary>
    internal Task<InstanceGroup> GetInstanceGroupByHintAsync(RequestContext context, string hint, CancellationToken cancellationToken) =>
        LoadAsync<InstanceGroup>(context, Guid.TryParse(hint, out _) ? "get_by_uuid" : "get_by_name", [hint], [], cancellationToken);

    /// <summary>Hosts of the group's members, these instances left out.</summary>
    internal async Task<IReadOnlyList<string>> GetGroupHostsAsync(
        RequestContext context, InstanceGroup group, IReadOnlyList<string> exclude, CancellationToken cancellationToken) =>
        await ObjectActionAsync(context, group, "get_hosts", new JObject { ["exclude"] = new JArray(exclude) }, cancellationToken) is JArray hosts
            ? hosts.Select(h => (string)h!).ToList()
            : [];

    private static JObject Expected(IReadOnlyList<string>? attributes) =>
        attributes is null ? [] : new JObject { ["expected_attrs"] = new JArray(attributes) };
}
