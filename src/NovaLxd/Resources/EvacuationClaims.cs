using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.Placement;
using NovaLxd.Outcomes;

namespace NovaLxd.Resources;

/// <summary>
/// What an evacuation holds besides the instance: its migration, the migration's part of the instance's row, and allocations on two hosts, as the scheduler adds
/// that of the new host and only the old one, at its return, gives up its own.
/// </summary>
internal sealed class EvacuationClaims(
    ConductorClient conductor, ResourceTracker resources, PlacementAllocations placement, NodeIdentity identity, ILogger<EvacuationClaims> logger)
{
    /// <summary>migration_type.</summary>
    public const string Type = "evacuation";

    /// <summary>The API has made one, as a rule; the conductor does not find it when the host that failed was back before the message was sent.</summary>
    public async Task<Migration> CreateMigrationAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        var migration = NovaObject.Create<Migration>();
        migration.InstanceUuid = instance.Uuid;
        migration.SourceCompute = instance.Host;
        migration.SourceNode = instance.Node;
        migration.OldInstanceTypeId = instance.Flavor.Id;
        migration.NewInstanceTypeId = instance.Flavor.Id;
        migration.MigrationType = Type;
        migration.Status = "accepted";
        await conductor.CreateAsync(context, migration, cancellationToken);
        return migration;
    }

    /// <summary>The instance does not come here. Safe to repeat, and when nothing was claimed.</summary>
    public async Task AbortAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        await resources.DropArrivalAsync(context, instance, cancellationToken);
        try
        {
            await conductor.DropMigrationContextAsync(context, instance, cancellationToken);
        }
        catch (InstanceNotFoundException e)
        {
            logger.LogDebug("There is nothing to take back in the instance's record: {Reason}", e.Message);
        }
    }

    public async Task FailAsync(RequestContext context, Migration migration, CancellationToken cancellationToken)
    {
        try
        {
            migration.Status = "failed";
            await conductor.SaveAsync(context, migration, cancellationToken);
        }
        catch (Exception e) when (e is OutcomeException or RemoteFailureException or TimeoutException)
        {
            logger.LogError("Migration {Migration} could not be set to failed: {Reason}", migration.Uuid, e.Message);
        }
    }

    /// <summary>Takes what the instance has allocated on this host, and leaves what it has on others.</summary>
    public async Task ReleaseAllocationAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        try
        {
            await placement.RemoveProviderTreeFromAllocationAsync(Callers.Service(context), instance.Uuid, identity.Uuid, cancellationToken);
        }
        catch (OpenStackException e)
        {
            logger.LogError("The instance's allocation on this host could not be removed, and stays until the instance is deleted: {Reason}", e.Message);
        }
    }
}
