using System.Collections.Immutable;
using NovaLxd.OpenStack.Placement.Models;

namespace NovaLxd.OpenStack.Placement;

/// <summary>
/// What we know of Placement's providers, and when we learnt it. Not for several threads at once, except <see cref="Tree"/> and <see cref="Forget"/>.
/// </summary>
internal sealed class ProviderTreeReader(IPlacementApi api, OpenStackOptions options, TimeProvider time)
{
    private const string SharesViaAggregate = "MISC_SHARES_VIA_AGGREGATE";

    private readonly Lock gate = new();
    private readonly Dictionary<string, DateTimeOffset> readAt = [];
    private ProviderTree tree = ProviderTree.Empty;

    public ProviderTree Tree
    {
        get
        {
            lock (gate)
                return tree;
        }
    }

    public static ResourceProvider FromBody(ProviderBody body) =>
        new(body.Uuid, body.Name, body.ParentProviderUuid) { Generation = body.Generation };

    /// <summary>Reads the tree of <paramref name="uuid"/> unless it was read lately. False: Placement has no such provider.</summary>
    public async Task<bool> RefreshAsync(OpenStackCaller caller, string uuid, CancellationToken cancellationToken)
    {
        IEnumerable<string> stale;
        if (Tree.Contains(uuid) && !IsStale(uuid))
        {
            stale = Tree.Subtree(uuid).Select(p => p.Uuid).Where(IsStale).ToList();
        }
        else
        {
            var bodies = (await api.GetProvidersInTreeAsync(caller, uuid, cancellationToken)).ResourceProviders;
            if (bodies.Count == 0)
            {
                Forget(uuid);
                return false;
            }

            foreach (var gone in Tree.Subtree(uuid).Select(p => p.Uuid).Except(bodies.Select(b => b.Uuid)).ToList())
                Forget(gone);
            foreach (var body in bodies)
                Put(FromBody(body));
            stale = bodies.Select(b => b.Uuid).ToList();
        }

        foreach (var one in stale)
            await ReadAssociationsAsync(caller, one, withSharing: true, cancellationToken);
        return true;
    }

    /// <summary>A provider just created: it has nothing yet, so there is nothing to read.</summary>
    public void Add(ResourceProvider provider)
    {
        Put(provider);
        MarkRead(provider.Uuid);
    }

    public void Change(string uuid, Func<ResourceProvider, ResourceProvider> change)
    {
        lock (gate)
            tree = tree.With(uuid, change);
    }

    /// <summary>Forgets the provider and all below it.</summary>
    public void Forget(string uuid)
    {
        lock (gate)
        {
            foreach (var provider in tree.Subtree(uuid))
                readAt.Remove(provider.Uuid);
            readAt.Remove(uuid);
            tree = tree.Without(uuid);
        }
    }

    private void Put(ResourceProvider provider)
    {
        lock (gate)
            tree = tree.With(provider);
    }

    private void MarkRead(string uuid)
    {
        lock (gate)
            readAt[uuid] = time.GetUtcNow();
    }

    private bool IsStale(string uuid)
    {
        lock (gate)
        {
            return !readAt.TryGetValue(uuid, out var at)
                || (options.ProviderAssociationRefresh > TimeSpan.Zero && time.GetUtcNow() - at > options.ProviderAssociationRefresh);
        }
    }

    private async Task ReadAssociationsAsync(OpenStackCaller caller, string uuid, bool withSharing, CancellationToken cancellationToken)
    {
        var inventories = await api.GetInventoriesAsync(caller, uuid, cancellationToken);
        var aggregates = await api.GetAggregatesAsync(caller, uuid, cancellationToken);
        var traits = await api.GetProviderTraitsAsync(caller, uuid, cancellationToken);
        Change(uuid, p => p with
        {
            Inventories = inventories.Inventories.ToImmutableSortedDictionary(),
            Aggregates = [.. aggregates.Aggregates],
            Traits = [.. traits.Traits],
            Generation = traits.ResourceProviderGeneration,
        });
        if (withSharing)
            await ReadSharingProvidersAsync(caller, aggregates.Aggregates, cancellationToken);
        MarkRead(uuid);
    }

    /// <summary>Providers that share with ours through an aggregate; asked in portions, since the aggregates stand in the URL.</summary>
    private async Task ReadSharingProvidersAsync(OpenStackCaller caller, IEnumerable<string> aggregates, CancellationToken cancellationToken)
    {
        foreach (var portion in aggregates.Order(StringComparer.Ordinal).Chunk(Math.Max(1, options.SharingProvidersMaxUuidsPerRequest)))
        {
            var found = await api.GetSharingProvidersAsync(caller, "in:" + string.Join(',', portion), SharesViaAggregate, cancellationToken);
            foreach (var body in found.ResourceProviders)
            {
                if (!Tree.Contains(body.Uuid))
                    Put(FromBody(body) with { ParentUuid = null });
                if (IsStale(body.Uuid))
                    await ReadAssociationsAsync(caller, body.Uuid, withSharing: false, cancellationToken);
            }
        }
    }
}
