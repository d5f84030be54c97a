using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.OpenStack.Placement;
using NovaLxd.OpenStack.ProviderConfig;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Resources;

/// <summary>Keeps the compute node's provider in Placement as the host is, and finds allocations that nobody frees any more.</summary>
internal sealed class PlacementReporter(
    PlacementClient placement,
    PlacementAllocations allocations,
    ProviderConfiguration additions,
    ConductorClient conductor,
    ResourceOptions options,
    ControlPlane controlPlane,
    ILogger<PlacementReporter> logger)
{
    public Task<ProviderTree> ReportAsync(
        RequestContext context, ComputeNode node, HostInventory inventory, HostDescription host, bool serviceDisabled, CancellationToken cancellationToken)
    {
        var traits = HostTraits.Of(host, serviceDisabled, controlPlane.ServiceVersion);
        var initial = InitialRatios.For(options, controlPlane.ServiceVersion);
        return placement.UpdateAsync(
            Callers.Service(context),
            node.Uuid,
            node.HypervisorHostname!,
            tree => additions.Apply(
                tree.With(node.Uuid, provider => provider with
                {
                    Inventories = inventory.ToPlacement(options, initial, provider.Inventories).ToImmutableSortedDictionary(),
                    Traits = [.. provider.Traits.Where(t => !HostTraits.IsOwned(t)), .. traits],
                }),
                (_, resourceClass) => HostInventory.Classes.Contains(resourceClass)),
            cancellationToken);
    }

    /// <summary>
    /// Removes the allocations of instances that are deleted (a delete whose last step failed). Those of unknown consumers and of instances elsewhere
    /// are only told of: a move may be under way.
    /// </summary>
    public async Task RemoveOrphansAsync(RequestContext context, ComputeNode node, IReadOnlySet<string> known, CancellationToken cancellationToken)
    {
        var caller = Callers.Service(context);
        var consumers = await allocations.GetAllocationsForProviderAsync(caller, node.Uuid, cancellationToken);
        foreach (var consumer in consumers.Keys.Where(c => !known.Contains(c)))
        {
            try
            {
                var instance = await conductor.GetInstanceAsync(context.With("read_deleted", "yes"), consumer, [], cancellationToken);
                if (instance.Deleted && !instance.Hidden)
                {
                    await allocations.DeleteAllocationsAsync(caller, consumer, cancellationToken);
                    logger.LogWarning("Instance {Instance} is deleted and still had allocations on this host; they were removed.", consumer);
                }
                else if (instance.Host != node.Host)
                {
                    logger.LogInformation("Instance {Instance} has allocations on this host and is on {Host}: is it being moved?", consumer, instance.Host ?? "none");
                }
            }
            catch (InstanceNotFoundException)
            {
                logger.LogWarning("Consumer {Consumer} has allocations on this host and is no instance of this cell; they are left alone.", consumer);
            }
        }
    }
}
