using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Objects;

namespace NovaLxd.Conductor;

internal sealed partial class ConductorClient
{
    internal Task<Service?> FindServiceAsync(RequestContext context, string host, string binary, CancellationToken cancellationToken) =>
        FindAsync<Service>(context, "get_by_host_and_binary", [host, binary], [], cancellationToken);

    /// <exception cref="Outcomes.ComputeHostNotFoundException">No compute service of this host.</exception>
    internal Task<Service> GetServiceByComputeHostAsync(RequestContext context, string host, CancellationToken cancellationToken) =>
        LoadAsync<Service>(context, "get_by_compute_host", [host], [], cancellationToken);

    /// <summary>The smallest service version that any service of this binary reports; 0 when there is none.</summary>
    internal Task<int> GetMinimumServiceVersionAsync(RequestContext context, string binary, CancellationToken cancellationToken) =>
        NumberAsync(context, Service.ObjectName, "get_minimum_version", [binary], cancellationToken);

    /// <exception cref="Outcomes.ComputeHostNotFoundException">There is none.</exception>
    internal Task<ComputeNode> GetComputeNodeAsync(RequestContext context, string host, string nodeName, CancellationToken cancellationToken) =>
        LoadAsync<ComputeNode>(context, "get_by_host_and_nodename", [host, nodeName], [], cancellationToken);

    /// <summary>By the uuid in the host's file. A deleted row is found with a context that reads deleted rows.</summary>
    /// <exception cref="Outcomes.ComputeHostNotFoundException">There is none.</exception>
    internal Task<ComputeNode> GetComputeNodeByUuidAsync(RequestContext context, string uuid, CancellationToken cancellationToken) =>
        LoadAsync<ComputeNode>(context, "get_by_uuid", [uuid], [], cancellationToken);

    /// <exception cref="Outcomes.ComputeHostNotFoundException">There are none.</exception>
    internal Task<IReadOnlyList<ComputeNode>> GetComputeNodesByHostAsync(RequestContext context, string host, CancellationToken cancellationToken) =>
        ListAsync<ComputeNode>(context, "get_all_by_host", [host], new JObject { ["use_slave"] = true }, cancellationToken);

    internal Task<Migration> GetMigrationAsync(RequestContext context, int id, CancellationToken cancellationToken) =>
        LoadAsync<Migration>(context, "get_by_id", [id], [], cancellationToken);

    internal Task<Migration> GetMigrationAsync(RequestContext context, string instanceUuid, string status, CancellationToken cancellationToken) =>
        LoadAsync<Migration>(context, "get_by_instance_and_status", [instanceUuid, status], [], cancellationToken);

    /// <param name="filters">source_compute, host, node, status (a list), migration_type, instance_uuid ...</param>
    internal Task<IReadOnlyList<Migration>> GetMigrationsByFiltersAsync(RequestContext context, JObject filters, CancellationToken cancellationToken) =>
        ListAsync<Migration>(context, "get_by_filters", [filters], [], cancellationToken);

    internal Task<IReadOnlyList<Migration>> GetMigrationsInProgressAndErrorAsync(
        RequestContext context, string host, string node, CancellationToken cancellationToken) =>
        ListAsync<Migration>(context, "get_in_progress_and_error", [host, node], [], cancellationToken);

    internal Task<IReadOnlyList<Migration>> GetMigrationsInProgressAsync(
        RequestContext context, string host, string node, CancellationToken cancellationToken) =>
        ListAsync<Migration>(context, "get_in_progress_by_host_and_node", [host, node], [], cancellationToken);

    /// <summary>Resizes to this host that are finished and were left alone for so many seconds.</summary>
    internal Task<IReadOnlyList<Migration>> GetUnconfirmedMigrationsAsync(
        RequestContext context, int window, string host, CancellationToken cancellationToken) =>
        ListAsync<Migration>(context, "get_unconfirmed_by_dest_compute", [window, host], new JObject { ["use_slave"] = true }, cancellationToken);

    internal Task<IReadOnlyList<PciDevice>> GetPciDevicesAsync(RequestContext context, int computeNodeId, CancellationToken cancellationToken) =>
        ListAsync<PciDevice>(context, "get_by_compute_node", [computeNodeId], [], cancellationToken);

    /// <summary>Begins an event of the action that belongs to the context's request id.</summary>
    /// <exception cref="Outcomes.InstanceActionNotFoundException">There is no such action.</exception>
    internal Task EventStartAsync(RequestContext context, string instanceUuid, string eventName, string host, CancellationToken cancellationToken) =>
        ClassActionAsync(context, InstanceActionEvent.ObjectName, "event_start", [instanceUuid, eventName],
            new JObject { ["want_result"] = false, ["host"] = host }, cancellationToken);

    /// <summary>Ends an event: with Success, or with Error when a failure is given (its message for the user, its trace for administrators).</summary>
    internal Task EventFinishAsync(
        RequestContext context, string instanceUuid, string eventName, string? message, string? trace, CancellationToken cancellationToken) =>
        ClassActionAsync(context, InstanceActionEvent.ObjectName, "event_finish_with_failure", [instanceUuid, eventName],
            new JObject { ["exc_val"] = message, ["exc_tb"] = trace, ["want_result"] = false }, cancellationToken);

    /// <summary>Begins an action of this service's own (periodic tasks), as the API does for a user's.</summary>
    internal Task ActionStartAsync(RequestContext context, string instanceUuid, string action, CancellationToken cancellationToken) =>
        ClassActionAsync(context, "InstanceAction", "action_start", [instanceUuid, action],
            new JObject { ["want_result"] = false }, cancellationToken);
}
