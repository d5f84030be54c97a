using Newtonsoft.Json;

namespace NovaLxd.OpenStack.Placement.Models;

// Bodies of the Placement API (https://docs.openstack.org/api-ref/placement/), one record each, small enough to stand together.

/// <summary>GET /: what the service speaks.</summary>
public sealed record PlacementVersions(IReadOnlyList<PlacementVersion> Versions);

public sealed record PlacementVersion(string Id, string? MinVersion, string? MaxVersion);

/// <summary>A provider as the tree and create calls return it (1.14, 1.20).</summary>
public sealed record ProviderBody
{
    public required string Uuid { get; init; }
    public required string Name { get; init; }
    public int Generation { get; init; }
    public string? ParentProviderUuid { get; init; }
    public string? RootProviderUuid { get; init; }
}

public sealed record ProviderList(IReadOnlyList<ProviderBody> ResourceProviders);

/// <summary>POST /resource_providers.</summary>
public sealed record CreateProvider(string Uuid, string Name, string? ParentProviderUuid = null);

/// <summary>GET and PUT /resource_providers/{uuid}/inventories.</summary>
public sealed record ProviderInventories(int ResourceProviderGeneration, IReadOnlyDictionary<string, Inventory> Inventories);

/// <summary>GET and PUT /resource_providers/{uuid}/traits.</summary>
public sealed record ProviderTraits(int ResourceProviderGeneration, IReadOnlyCollection<string> Traits);

/// <summary>GET and PUT /resource_providers/{uuid}/aggregates (1.19).</summary>
public sealed record ProviderAggregates(IReadOnlyCollection<string> Aggregates, int ResourceProviderGeneration);

/// <summary>GET /traits.</summary>
public sealed record TraitList(IReadOnlyList<string> Traits);

/// <summary>GET /resource_providers/{uuid}/allocations: consumer uuid to amounts.</summary>
public sealed record ProviderAllocations(IReadOnlyDictionary<string, AllocatedResources> Allocations, int ResourceProviderGeneration);

/// <summary>Resource class to amount. <paramref name="Generation"/> (of the provider) only in answers; Placement ignores it in requests.</summary>
public sealed record AllocatedResources(IReadOnlyDictionary<string, int> Resources, int? Generation = null);

/// <summary>
/// GET and PUT /allocations/{consumer} (1.28): provider uuid to amounts. A consumer that has none is answered with an empty
/// dictionary and nothing else; <see cref="ConsumerGeneration"/> is null for a new one and is sent as null.
/// </summary>
public sealed record ConsumerAllocations
{
    public required IReadOnlyDictionary<string, AllocatedResources> Allocations { get; init; }
    public string? ProjectId { get; init; }
    public string? UserId { get; init; }

    [JsonProperty(NullValueHandling = NullValueHandling.Include)]
    public int? ConsumerGeneration { get; init; }

    [JsonIgnore]
    public bool IsEmpty => Allocations.Count == 0;
}

/// <summary>POST /reshaper (1.30).</summary>
public sealed record Reshape(IReadOnlyDictionary<string, ProviderInventories> Inventories, IReadOnlyDictionary<string, ConsumerAllocations> Allocations);

/// <summary>GET /allocation_candidates (1.36).</summary>
public sealed record AllocationCandidates(
    IReadOnlyList<AllocationRequest> AllocationRequests,
    IReadOnlyDictionary<string, ProviderSummary> ProviderSummaries);

/// <summary>One way to satisfy a request; <paramref name="Mappings"/>: request group to the providers that serve it.</summary>
public sealed record AllocationRequest(
    IReadOnlyDictionary<string, AllocatedResources> Allocations,
    IReadOnlyDictionary<string, IReadOnlyList<string>>? Mappings = null);

public sealed record ProviderSummary(IReadOnlyDictionary<string, ResourceUsage> Resources, IReadOnlyList<string>? Traits = null);

public sealed record ResourceUsage(int Capacity, int Used);
