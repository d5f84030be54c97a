using Microsoft.Extensions.Logging;
using NovaLxd.OpenStack.Placement.Models;

namespace NovaLxd.OpenStack.Placement;

/// <summary>
/// Allocations of instances and migrations (consumers). The scheduler makes them; a compute service reads, deletes, moves and trims them
/// (report.py). Conflicts over a provider's generation are Placement's own race and are repeated; those over a consumer's generation are the caller's.
/// </summary>
public sealed partial class PlacementAllocations(IPlacementApi api, OpenStackOptions options, TimeProvider time, ILogger<PlacementAllocations> logger)
{
    private readonly ConflictRetry retry = new(options, time);

    /// <summary>All allocations against one provider, by consumer.</summary>
    public async Task<IReadOnlyDictionary<string, AllocatedResources>> GetAllocationsForProviderAsync(
        OpenStackCaller caller, string providerUuid, CancellationToken cancellationToken) =>
        (await api.GetProviderAllocationsAsync(caller, providerUuid, cancellationToken)).Allocations;

    /// <summary>What one consumer has; empty when Placement does not know it.</summary>
    public Task<ConsumerAllocations> GetAllocationsForConsumerAsync(OpenStackCaller caller, string consumer, CancellationToken cancellationToken) =>
        api.GetAllocationsAsync(caller, consumer, cancellationToken);

    /// <summary>Replaces a consumer's allocations.</summary>
    /// <exception cref="AllocationConflictException">The consumer was changed since <paramref name="allocations"/> was read.</exception>
    public Task PutAllocationsAsync(OpenStackCaller caller, string consumer, ConsumerAllocations allocations, CancellationToken cancellationToken) =>
        RepeatAsync(consumer, async () =>
        {
            await api.PutAllocationsAsync(caller, consumer, allocations, cancellationToken);
            return true;
        }, cancellationToken);

    /// <summary>Deletes whatever the consumer has, without looking (terminate, failed build). False: it had none.</summary>
    public async Task<bool> DeleteAllocationsAsync(OpenStackCaller caller, string consumer, CancellationToken cancellationToken)
    {
        try
        {
            await api.DeleteAllocationsAsync(caller, consumer, cancellationToken);
            Deleted(consumer);
            return true;
        }
        catch (OpenStackHttpException e) when (e.IsNotFound)
        {
            return false;
        }
    }

    /// <summary>Empties a consumer's allocations unless somebody changes them at the same time (confirm, revert: source allocation of a migration). False: it had none.</summary>
    /// <exception cref="AllocationConflictException">It was changed meanwhile; nothing was deleted.</exception>
    public async Task<bool> RemoveAllocationsGentlyAsync(OpenStackCaller caller, string consumer, CancellationToken cancellationToken)
    {
        var present = await api.GetAllocationsAsync(caller, consumer, cancellationToken);
        if (present.IsEmpty)
            return false;
        await PutAllocationsAsync(caller, consumer, present with { Allocations = Nothing }, cancellationToken);
        Deleted(consumer);
        return true;
    }

    /// <summary>
    /// Gives all that <paramref name="source"/> has to <paramref name="target"/>, replacing what the target had (revert: migration to instance).
    /// When the source has nothing and the target has, it was done before.
    /// </summary>
    /// <returns>False: neither has anything, so there was nothing to move.</returns>
    /// <exception cref="AllocationConflictException">Source or target was changed meanwhile.</exception>
    public Task<bool> MoveAllocationsAsync(OpenStackCaller caller, string source, string target, CancellationToken cancellationToken) =>
        RepeatAsync(target, async () =>
        {
            var has = await api.GetAllocationsAsync(caller, source, cancellationToken);
            var to = await api.GetAllocationsAsync(caller, target, cancellationToken);
            if (has.IsEmpty)
                return !to.IsEmpty;
            await api.PostAllocationsAsync(
                caller,
                new Dictionary<string, ConsumerAllocations>
                {
                    [source] = has with { Allocations = Nothing },
                    [target] = has with { ConsumerGeneration = to.ConsumerGeneration },
                },
                cancellationToken);
            return true;
        }, cancellationToken);

    /// <summary>Takes away what a consumer has on a compute node's providers and keeps the rest (the source of an evacuation). False: it had nothing there.</summary>
    public async Task<bool> RemoveProviderTreeFromAllocationAsync(OpenStackCaller caller, string consumer, string rootProviderUuid, CancellationToken cancellationToken)
    {
        var tree = (await api.GetProvidersInTreeAsync(caller, rootProviderUuid, cancellationToken)).ResourceProviders.Select(p => p.Uuid).ToHashSet();
        return await ChangeAllocationsAsync(
            caller,
            consumer,
            present => present.Allocations.Keys.Any(tree.Contains)
                ? present with { Allocations = present.Allocations.Where(a => !tree.Contains(a.Key)).ToDictionary() }
                : null,
            cancellationToken);
    }

    /// <summary>Adds amounts (provider to resource class to amount) to what a consumer has: attaching a port with a resource request.</summary>
    public Task AddResourcesAsync(
        OpenStackCaller caller, string consumer, IReadOnlyDictionary<string, AllocatedResources> resources, CancellationToken cancellationToken) =>
        ChangeAllocationsAsync(caller, consumer, present => AllocationArithmetic.Add(present, resources), cancellationToken);

    /// <summary>Takes amounts from what a consumer has: detaching such a port.</summary>
    /// <exception cref="InvalidOperationException">The consumer does not have that much.</exception>
    public Task RemoveResourcesAsync(
        OpenStackCaller caller, string consumer, IReadOnlyDictionary<string, AllocatedResources> resources, CancellationToken cancellationToken) =>
        ChangeAllocationsAsync(caller, consumer, present => AllocationArithmetic.Subtract(consumer, present, resources), cancellationToken);

    /// <summary>Ways to satisfy a request, best first as Placement sorts them.</summary>
    public Task<AllocationCandidates> GetAllocationCandidatesAsync(
        OpenStackCaller caller, Dictionary<string, string> query, CancellationToken cancellationToken) =>
        api.GetAllocationCandidatesAsync(caller, query, cancellationToken);

    private static IReadOnlyDictionary<string, AllocatedResources> Nothing { get; } = new Dictionary<string, AllocatedResources>();

    /// <summary>Reads, changes, writes; on any conflict all of it again. <paramref name="change"/> returns null for "leave it", which makes the result false.</summary>
    private Task<bool> ChangeAllocationsAsync(
        OpenStackCaller caller, string consumer, Func<ConsumerAllocations, ConsumerAllocations?> change, CancellationToken cancellationToken) =>
        RepeatAsync(
            consumer,
            async () =>
            {
                if (change(await api.GetAllocationsAsync(caller, consumer, cancellationToken)) is not { } wanted)
                    return false;
                await api.PutAllocationsAsync(caller, consumer, wanted, cancellationToken);
                return true;
            },
            cancellationToken,
            rereads: true);

    private async Task<T> RepeatAsync<T>(string consumer, Func<Task<T>> attempt, CancellationToken cancellationToken, bool rereads = false)
    {
        try
        {
            return await retry.RunAsync(
                attempt,
                e => e is OpenStackHttpException http && http.IsConcurrentUpdate() && (rereads || !http.IsConsumerConflict()),
                cancellationToken);
        }
        catch (OpenStackHttpException e) when (e.IsConcurrentUpdate())
        {
            throw new AllocationConflictException(consumer, e);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Deleted the allocations of consumer {Consumer}")]
    private partial void Deleted(string consumer);
}
