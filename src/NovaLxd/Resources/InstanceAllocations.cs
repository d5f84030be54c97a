using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.OpenStack.Placement;

namespace NovaLxd.Resources;

/// <summary>An instance's allocations in Placement: the scheduler makes them, we take them away.</summary>
internal sealed class InstanceAllocations(PlacementAllocations placement, ResourceOptions options)
{
    /// <summary>By force as a rule; gently, minding the consumer's generation, where soft delete may still give the instance back.</summary>
    public Task DeleteAsync(RequestContext context, Instance instance, CancellationToken cancellationToken) => options.ReclaimInstanceInterval > TimeSpan.Zero
        ? placement.RemoveAllocationsGentlyAsync(Callers.Service(context), instance.Uuid, cancellationToken)
        : DeleteByForceAsync(context, instance, cancellationToken);

    /// <summary>Whoever changes them at the same time: the instance is on no host any more.</summary>
    public Task DeleteByForceAsync(RequestContext context, Instance instance, CancellationToken cancellationToken) =>
        placement.DeleteAllocationsAsync(Callers.Service(context), instance.Uuid, cancellationToken);

    /// <summary>While an instance moves, the migration holds what it had before: it gets that back, in place of what the scheduler gave it. Safe to repeat.</summary>
    public Task TakeBackAsync(RequestContext context, Migration migration, Instance instance, CancellationToken cancellationToken) =>
        placement.MoveAllocationsAsync(Callers.Service(context), migration.Uuid, instance.Uuid, cancellationToken);

    /// <summary>The instance keeps what the scheduler gave it. Safe to repeat.</summary>
    public Task ConfirmAsync(RequestContext context, Migration migration, CancellationToken cancellationToken) =>
        placement.RemoveAllocationsGentlyAsync(Callers.Service(context), migration.Uuid, cancellationToken);
}
