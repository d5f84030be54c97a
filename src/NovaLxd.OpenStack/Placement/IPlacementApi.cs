using NovaLxd.OpenStack.Http;
using NovaLxd.OpenStack.Placement.Models;
using Refit;

namespace NovaLxd.OpenStack.Placement;

/// <summary>
/// The Placement calls of a compute service with Nova's microversions (nova/scheduler/client/report.py); a call without the header speaks 1.0.
/// The calling form is <see cref="PlacementClient"/>, which adds what has to happen after a conflict.
/// </summary>
[Headers("Accept: application/json")]
public interface IPlacementApi
{
    [Get("/")]
    Task<PlacementVersions> GetVersionsAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, CancellationToken cancellationToken);

    [Get("/resource_providers")]
    [Headers("OpenStack-API-Version: placement 1.14")]
    Task<ProviderList> GetProvidersInTreeAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, [AliasAs("in_tree")] string uuid, CancellationToken cancellationToken);

    [Get("/resource_providers/{uuid}")]
    [Headers("OpenStack-API-Version: placement 1.14")]
    Task<ProviderBody> GetProviderAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string uuid, CancellationToken cancellationToken);

    [Get("/resource_providers")]
    Task<ProviderList> GetProvidersByNameAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string name, CancellationToken cancellationToken);

    /// <summary><paramref name="memberOf"/> is <c>in:AGGREGATE,AGGREGATE</c>, <paramref name="required"/> MISC_SHARES_VIA_AGGREGATE.</summary>
    [Get("/resource_providers")]
    [QueryUriFormat(UriFormat.Unescaped)]
    [Headers("OpenStack-API-Version: placement 1.18")]
    Task<ProviderList> GetSharingProvidersAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller, [AliasAs("member_of")] string memberOf, string required, CancellationToken cancellationToken);

    [Post("/resource_providers")]
    [Headers("OpenStack-API-Version: placement 1.20")]
    Task<ProviderBody> CreateProviderAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, [Body] CreateProvider body, CancellationToken cancellationToken);

    [Delete("/resource_providers/{uuid}")]
    Task DeleteProviderAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string uuid, CancellationToken cancellationToken);

    [Get("/resource_providers/{uuid}/inventories")]
    Task<ProviderInventories> GetInventoriesAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string uuid, CancellationToken cancellationToken);

    [Put("/resource_providers/{uuid}/inventories")]
    [Headers("OpenStack-API-Version: placement 1.26")]
    Task<ProviderInventories> PutInventoriesAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller, string uuid, [Body] ProviderInventories body, CancellationToken cancellationToken);

    [Get("/resource_providers/{uuid}/traits")]
    [Headers("OpenStack-API-Version: placement 1.6")]
    Task<ProviderTraits> GetProviderTraitsAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string uuid, CancellationToken cancellationToken);

    [Put("/resource_providers/{uuid}/traits")]
    [Headers("OpenStack-API-Version: placement 1.6")]
    Task<ProviderTraits> PutProviderTraitsAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller, string uuid, [Body] ProviderTraits body, CancellationToken cancellationToken);

    /// <summary><paramref name="name"/> is <c>in:TRAIT,TRAIT</c>; the answer holds those that exist.</summary>
    [Get("/traits")]
    [QueryUriFormat(UriFormat.Unescaped)]
    [Headers("OpenStack-API-Version: placement 1.6")]
    Task<TraitList> GetTraitsAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string name, CancellationToken cancellationToken);

    [Put("/traits/{name}")]
    [Headers("OpenStack-API-Version: placement 1.6")]
    Task PutTraitAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string name, CancellationToken cancellationToken);

    [Put("/resource_classes/{name}")]
    [Headers("OpenStack-API-Version: placement 1.7")]
    Task PutResourceClassAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string name, CancellationToken cancellationToken);

    [Get("/resource_providers/{uuid}/aggregates")]
    [Headers("OpenStack-API-Version: placement 1.19")]
    Task<ProviderAggregates> GetAggregatesAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string uuid, CancellationToken cancellationToken);

    [Put("/resource_providers/{uuid}/aggregates")]
    [Headers("OpenStack-API-Version: placement 1.19")]
    Task<ProviderAggregates> PutAggregatesAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller, string uuid, [Body] ProviderAggregates body, CancellationToken cancellationToken);

    [Get("/resource_providers/{uuid}/allocations")]
    Task<ProviderAllocations> GetProviderAllocationsAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string uuid, CancellationToken cancellationToken);

    [Get("/allocations/{consumer}")]
    [Headers("OpenStack-API-Version: placement 1.28")]
    Task<ConsumerAllocations> GetAllocationsAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string consumer, CancellationToken cancellationToken);

    [Put("/allocations/{consumer}")]
    [Headers("OpenStack-API-Version: placement 1.28")]
    Task PutAllocationsAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller, string consumer, [Body] ConsumerAllocations body, CancellationToken cancellationToken);

    [Post("/allocations")]
    [Headers("OpenStack-API-Version: placement 1.28")]
    Task PostAllocationsAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller, [Body] IReadOnlyDictionary<string, ConsumerAllocations> body, CancellationToken cancellationToken);

    [Delete("/allocations/{consumer}")]
    Task DeleteAllocationsAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string consumer, CancellationToken cancellationToken);

    [Post("/reshaper")]
    [Headers("OpenStack-API-Version: placement 1.30")]
    Task ReshapeAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, [Body] Reshape body, CancellationToken cancellationToken);

    /// <summary><paramref name="query"/>: the parameters as Placement names them, for instance resources, required, in_tree, limit.</summary>
    [Get("/allocation_candidates")]
    [Headers("OpenStack-API-Version: placement 1.36")]
    Task<AllocationCandidates> GetAllocationCandidatesAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller, [Query] Dictionary<string, string> query, CancellationToken cancellationToken);
}
