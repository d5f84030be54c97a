using System.Collections.Immutable;
using NovaLxd.OpenStack.Placement.Models;

namespace NovaLxd.OpenStack.Placement;

/// <summary>One resource provider with all that belongs to it. A value: changes make a new one.</summary>
public sealed record ResourceProvider(string Uuid, string Name, string? ParentUuid = null)
{
    /// <summary>Placement's counter of changes; a request with an older one is refused.</summary>
    public int Generation { get; init; }

    public ImmutableSortedDictionary<string, Inventory> Inventories { get; init; } = ImmutableSortedDictionary<string, Inventory>.Empty;
    public ImmutableSortedSet<string> Traits { get; init; } = [];
    public ImmutableSortedSet<string> Aggregates { get; init; } = [];

    /// <summary>Whether other providers' hosts may use its inventory through a common aggregate (a shared storage pool).</summary>
    public bool IsSharing => Traits.Contains("MISC_SHARES_VIA_AGGREGATE");

    internal bool HasOtherInventories(ResourceProvider current) =>
        Inventories.Count != current.Inventories.Count
        || Inventories.Any(i => !current.Inventories.TryGetValue(i.Key, out var had) || i.Value.DiffersFrom(had));
}

/// <summary>
/// The providers of a compute node and those that share with it, as last seen in Placement (nova/compute/provider_tree.py). A value.
/// </summary>
public sealed class ProviderTree
{
    public static ProviderTree Empty { get; } = new(ImmutableDictionary<string, ResourceProvider>.Empty);

    private readonly ImmutableDictionary<string, ResourceProvider> providers;

    private ProviderTree(ImmutableDictionary<string, ResourceProvider> providers) => this.providers = providers;

    public IEnumerable<ResourceProvider> Providers => providers.Values;

    public IEnumerable<ResourceProvider> Roots => providers.Values.Where(p => p.ParentUuid is null || !providers.ContainsKey(p.ParentUuid));

    /// <summary>By uuid or name; null when there is none.</summary>
    public ResourceProvider? Find(string uuidOrName) =>
        providers.GetValueOrDefault(uuidOrName) ?? providers.Values.FirstOrDefault(p => p.Name == uuidOrName);

    /// <exception cref="KeyNotFoundException">The tree has no such provider.</exception>
    public ResourceProvider this[string uuid] => providers[uuid];

    public bool Contains(string uuid) => providers.ContainsKey(uuid);

    public ProviderTree With(ResourceProvider provider) => new(providers.SetItem(provider.Uuid, provider));

    /// <summary>Changes one provider by a function.</summary>
    public ProviderTree With(string uuid, Func<ResourceProvider, ResourceProvider> change) => With(change(providers[uuid]));

    /// <summary>Without the provider and all below it.</summary>
    public ProviderTree Without(string uuid) => new(providers.RemoveRange(Subtree(uuid).Select(p => p.Uuid)));

    /// <summary>The provider and all below it, parents before children.</summary>
    public IReadOnlyList<ResourceProvider> Subtree(string uuid)
    {
        if (!providers.TryGetValue(uuid, out var root))
            return [];
        var found = new List<ResourceProvider> { root };
        for (var i = 0; i < found.Count; i++)
            found.AddRange(providers.Values.Where(p => p.ParentUuid == found[i].Uuid).OrderBy(p => p.Name, StringComparer.Ordinal));
        return found;
    }

    /// <summary>All providers, parents before children.</summary>
    public IEnumerable<ResourceProvider> TopDown => Roots.OrderBy(r => r.Name, StringComparer.Ordinal).SelectMany(r => Subtree(r.Uuid));
}
