using System.Net;

namespace NovaLxd.OpenStack.Placement;

/// <summary>
/// Another provider has our name: the host was registered before with another node uuid (a lost or renewed compute_id file, a second service with
/// the same host name). Nova: ResourceProviderCreationFailed.
/// </summary>
public sealed class ProviderNameConflictException(string name, string uuid, OpenStackHttpException inner) : OpenStackException(
    "placement",
    $"Placement has a resource provider named '{name}' with another uuid than ours ({uuid}). Either this host was known under another node uuid "
    + $"(restore the compute_id file, or delete the old compute service, which removes its provider) or another host has the same name. {inner.Detail}",
    inner);

/// <summary>The provider kept changing under us for as long as we tried.</summary>
public sealed class ProviderUpdateConflictException(string uuid, Exception inner) : OpenStackException(
    "placement", $"The resource provider {uuid} was changed by somebody else each time we tried to update it; the next update will try again. {inner.Message}", inner);

/// <summary>A resource class of which instances hold allocations cannot be taken from the inventory.</summary>
public sealed class InventoryInUseException(string uuid, OpenStackHttpException inner)
    : OpenStackException("placement", $"Inventory of the resource provider {uuid} is in use and cannot be removed: {inner.Detail}", inner);

/// <summary>The provider has allocations or children, or its inventory is in use: delete those first.</summary>
public sealed class ProviderInUseException(string uuid, OpenStackHttpException inner)
    : OpenStackException("placement", $"The resource provider {uuid} cannot be deleted: {inner.Detail}", inner);

/// <summary>The consumer's allocations were changed by somebody else between our reading and writing them. Nova: AllocationUpdateFailed, AllocationMoveFailed.</summary>
public sealed class AllocationConflictException(string consumer, Exception inner)
    : OpenStackException("placement", $"The allocations of consumer {consumer} were changed by somebody else: {inner.Message}", inner);

internal static class PlacementConflict
{
    public static bool IsConcurrentUpdate(this OpenStackHttpException e) => e is { Status: HttpStatusCode.Conflict, Code: "placement.concurrent_update" };

    /// <summary>Placement has one code for both kinds of generation; the sentence tells them apart, as Nova does it.</summary>
    public static bool IsConsumerConflict(this OpenStackHttpException e) =>
        e.IsConcurrentUpdate() && e.Detail.Contains("consumer generation conflict", StringComparison.Ordinal);

    public static bool IsInventoryInUse(this OpenStackHttpException e) => e is { Status: HttpStatusCode.Conflict, Code: "placement.inventory.inuse" };

    public static bool IsNameConflict(this OpenStackHttpException e) =>
        e.IsConflict && e.Body.Contains("Conflicting resource provider name:", StringComparison.Ordinal);
}
