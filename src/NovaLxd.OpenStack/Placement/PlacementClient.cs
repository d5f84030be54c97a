using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using NovaLxd.OpenStack.Placement.Models;

namespace NovaLxd.OpenStack.Placement;

/// <summary>
/// Keeps the compute node's resource providers in Placement as the host is: reads them once and then every
/// [compute] resource_provider_association_refresh seconds, and writes only what differs (report.py: update_from_provider_tree).
/// Traits and aggregates that others set are kept. Allocations: <see cref="PlacementAllocations"/>.
/// </summary>
public sealed partial class PlacementClient(IPlacementApi api, OpenStackOptions options, TimeProvider time, ILogger<PlacementClient> logger) : IDisposable
{
    private readonly SemaphoreSlim gate = new(1);
    private readonly ConflictRetry retry = new(options, time);
    private readonly ProviderTreeReader reader = new(api, options, time);

    /// <summary>What Placement speaks; asked at start-up to report one that is too old or not there.</summary>
    public async Task<PlacementVersion?> GetVersionAsync(OpenStackCaller caller, CancellationToken cancellationToken) =>
        (await api.GetVersionsAsync(caller, cancellationToken)).Versions is [var version, ..] ? version : null;

    /// <summary>The tree of the compute node <paramref name="uuid"/>, with its root created if Placement has none.</summary>
    /// <exception cref="ProviderNameConflictException">Another provider has the name.</exception>
    public async Task<ProviderTree> EnsureRootProviderAsync(OpenStackCaller caller, string uuid, string name, CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken);
        try
        {
            return await EnsureRootAsync(caller, uuid, name, cancellationToken);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>
    /// Sets the root provider's inventories and its traits of ours. Traits in <paramref name="ownedTraits"/> are set; those there that
    /// <paramref name="isOwnedTrait"/> claims but are not wanted any more are removed; all others stay.
    /// </summary>
    public Task<ProviderTree> UpdateAsync(
        OpenStackCaller caller,
        string uuid,
        string name,
        IReadOnlyDictionary<string, Inventory> inventories,
        IReadOnlySet<string> ownedTraits,
        Func<string, bool> isOwnedTrait,
        CancellationToken cancellationToken) =>
        UpdateAsync(caller, uuid, name, tree => tree.With(uuid, p => p with
        {
            Inventories = inventories.ToImmutableSortedDictionary(),
            Traits = [.. p.Traits.Where(t => !isOwnedTrait(t)), .. ownedTraits],
        }), cancellationToken);

    /// <summary>
    /// Brings Placement to what <paramref name="change"/> makes of the present tree. On a conflict the tree is read again and
    /// <paramref name="change"/> is asked again, so it must not have effects of its own. What it throws passes through.
    /// </summary>
    /// <returns>The tree as Placement has it afterwards.</returns>
    /// <exception cref="InventoryInUseException">A resource class that instances use was taken away.</exception>
    /// <exception cref="ProviderUpdateConflictException">Four attempts collided.</exception>
    public async Task<ProviderTree> UpdateAsync(
        OpenStackCaller caller, string uuid, string name, Func<ProviderTree, ProviderTree> change, CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken);
        try
        {
            return await retry.RunAsync(
                async () =>
                {
                    var present = await EnsureRootAsync(caller, uuid, name, cancellationToken);
                    return await TrustingAsync(uuid, async () =>
                    {
                        await WriteAsync(caller, present, change(present), cancellationToken);
                        return reader.Tree;
                    });
                },
                e => e is OpenStackHttpException { IsConflict: true },
                cancellationToken);
        }
        catch (OpenStackHttpException e) when (e.IsConflict)
        {
            throw new ProviderUpdateConflictException(uuid, e);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>
    /// Deletes the provider and all below it, children first; one that is gone already is fine. For a node that this host does not have any more.
    /// </summary>
    /// <exception cref="ProviderInUseException">It still has allocations.</exception>
    public async Task DeleteProviderTreeAsync(OpenStackCaller caller, string uuid, CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken);
        try
        {
            var bodies = (await api.GetProvidersInTreeAsync(caller, uuid, cancellationToken)).ResourceProviders;
            var tree = bodies.Aggregate(ProviderTree.Empty, (t, b) => t.With(ProviderTreeReader.FromBody(b)));
            foreach (var provider in tree.Subtree(uuid).Reverse())
                await DeleteAsync(caller, provider.Uuid, cancellationToken);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>Moves inventories and their allocations between providers in one step (1.30).</summary>
    /// <exception cref="ProviderUpdateConflictException">Something changed meanwhile: read again and repeat.</exception>
    public async Task ReshapeAsync(OpenStackCaller caller, Reshape reshape, CancellationToken cancellationToken)
    {
        foreach (var inventories in reshape.Inventories.Values)
            await EnsureResourceClassesAsync(caller, inventories.Inventories.Keys, cancellationToken);
        try
        {
            await api.ReshapeAsync(caller, reshape, cancellationToken);
        }
        catch (OpenStackHttpException e) when (e.IsConcurrentUpdate())
        {
            throw new ProviderUpdateConflictException(reshape.Inventories.Keys.FirstOrDefault() ?? "", e);
        }
        finally
        {
            foreach (var uuid in reshape.Inventories.Keys)
                reader.Forget(uuid);
        }
    }

    /// <summary>Forgets what was read of the tree around <paramref name="uuid"/>; the next call reads it again.</summary>
    public void Forget(string uuid) => reader.Forget(uuid);

    private Task<ProviderTree> EnsureRootAsync(OpenStackCaller caller, string uuid, string name, CancellationToken cancellationToken) =>
        TrustingAsync(uuid, async () =>
        {
            if (!await reader.RefreshAsync(caller, uuid, cancellationToken))
                await CreateAsync(caller, new CreateProvider(uuid, name), cancellationToken);
            return reader.Tree;
        });

    /// <summary>Whatever fails, what we believe of the tree is not to be trusted any more: somebody may have deleted or changed it.</summary>
    private async Task<ProviderTree> TrustingAsync(string uuid, Func<Task<ProviderTree>> work)
    {
        try
        {
            return await work();
        }
        catch (OpenStackException)
        {
            reader.Forget(uuid);
            throw;
        }
    }

    /// <summary>New providers (parents first), deletions (children first), then inventories, aggregates and traits, children first.</summary>
    private async Task WriteAsync(OpenStackCaller caller, ProviderTree present, ProviderTree wanted, CancellationToken cancellationToken)
    {
        foreach (var added in wanted.TopDown.Where(p => !present.Contains(p.Uuid)))
            await CreateAsync(caller, new CreateProvider(added.Uuid, added.Name, added.ParentUuid), cancellationToken);
        foreach (var removed in present.TopDown.Reverse().Where(p => !wanted.Contains(p.Uuid)))
            await DeleteAsync(caller, removed.Uuid, cancellationToken);
        foreach (var provider in wanted.TopDown.Reverse())
        {
            await WriteInventoriesAsync(caller, provider, cancellationToken);
            await WriteAggregatesAsync(caller, provider, cancellationToken);
            await WriteTraitsAsync(caller, provider, cancellationToken);
        }
    }

    private async Task CreateAsync(OpenStackCaller caller, CreateProvider body, CancellationToken cancellationToken)
    {
        try
        {
            var created = await api.CreateProviderAsync(caller, body, cancellationToken);
            reader.Add(ProviderTreeReader.FromBody(created) with { ParentUuid = body.ParentProviderUuid });
            Created(body.Name, body.Uuid);
        }
        catch (OpenStackHttpException e) when (e.IsNameConflict())
        {
            throw new ProviderNameConflictException(body.Name, body.Uuid, e);
        }
        catch (OpenStackHttpException e) when (e.IsConflict)
        {
            // Somebody made it between our question and our request, or the answer to our first attempt was lost.
            if (!await reader.RefreshAsync(caller, body.Uuid, cancellationToken))
                throw;
        }
    }

    private async Task DeleteAsync(OpenStackCaller caller, string uuid, CancellationToken cancellationToken)
    {
        try
        {
            await api.DeleteProviderAsync(caller, uuid, cancellationToken);
            Deleted(uuid);
        }
        catch (OpenStackHttpException e) when (e.IsNotFound)
        {
            // Gone already.
        }
        catch (OpenStackHttpException e) when (e.IsConflict)
        {
            throw new ProviderInUseException(uuid, e);
        }

        reader.Forget(uuid);
    }

    private async Task WriteInventoriesAsync(OpenStackCaller caller, ResourceProvider wanted, CancellationToken cancellationToken)
    {
        var current = reader.Tree[wanted.Uuid];
        if (!wanted.HasOtherInventories(current))
            return;
        await EnsureResourceClassesAsync(caller, wanted.Inventories.Keys, cancellationToken);
        try
        {
            var answer = await api.PutInventoriesAsync(caller, wanted.Uuid, new(current.Generation, wanted.Inventories), cancellationToken);
            reader.Change(wanted.Uuid, p => p with
            {
                Generation = answer.ResourceProviderGeneration,
                Inventories = answer.Inventories.ToImmutableSortedDictionary(),
            });
        }
        catch (OpenStackHttpException e) when (e.IsInventoryInUse())
        {
            throw new InventoryInUseException(wanted.Uuid, e);
        }
    }

    private async Task WriteAggregatesAsync(OpenStackCaller caller, ResourceProvider wanted, CancellationToken cancellationToken)
    {
        var current = reader.Tree[wanted.Uuid];
        if (wanted.Aggregates.SetEquals(current.Aggregates))
            return;
        var answer = await api.PutAggregatesAsync(caller, wanted.Uuid, new(wanted.Aggregates, current.Generation), cancellationToken);
        reader.Change(wanted.Uuid, p => p with { Generation = answer.ResourceProviderGeneration, Aggregates = [.. answer.Aggregates] });
    }

    private async Task WriteTraitsAsync(OpenStackCaller caller, ResourceProvider wanted, CancellationToken cancellationToken)
    {
        var current = reader.Tree[wanted.Uuid];
        if (wanted.Traits.SetEquals(current.Traits))
            return;
        var traits = await KnownTraitsAsync(caller, wanted.Traits, cancellationToken);
        if (traits.SetEquals(current.Traits))
            return;
        var answer = await api.PutProviderTraitsAsync(caller, wanted.Uuid, new(current.Generation, traits), cancellationToken);
        reader.Change(wanted.Uuid, p => p with { Generation = answer.ResourceProviderGeneration, Traits = [.. answer.Traits] });
    }

    /// <summary>
    /// Custom traits have to exist before a provider can have them. A standard one that this Placement does not know is newer than it and left out:
    /// nobody can ask for it.
    /// </summary>
    private async Task<ImmutableSortedSet<string>> KnownTraitsAsync(OpenStackCaller caller, ImmutableSortedSet<string> traits, CancellationToken cancellationToken)
    {
        if (traits.Count == 0)
            return traits;
        var known = (await api.GetTraitsAsync(caller, "in:" + string.Join(',', traits), cancellationToken)).Traits;
        foreach (var missing in traits.Except(known))
        {
            if (missing.StartsWith("CUSTOM_", StringComparison.Ordinal))
                await api.PutTraitAsync(caller, missing, cancellationToken);
            else
                traits = traits.Remove(missing);
        }

        return traits;
    }

    private async Task EnsureResourceClassesAsync(OpenStackCaller caller, IEnumerable<string> names, CancellationToken cancellationToken)
    {
        foreach (var name in names.Where(n => n.StartsWith("CUSTOM_", StringComparison.Ordinal)))
            await api.PutResourceClassAsync(caller, name, cancellationToken);
    }

    public void Dispose() => gate.Dispose();

    [LoggerMessage(Level = LogLevel.Information, Message = "Created the resource provider {Name} ({Uuid}) in Placement")]
    private partial void Created(string name, string uuid);

    [LoggerMessage(Level = LogLevel.Information, Message = "Deleted the resource provider {Uuid} from Placement")]
    private partial void Deleted(string uuid);
}
