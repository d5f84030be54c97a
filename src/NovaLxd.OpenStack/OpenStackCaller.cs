using NovaLxd.OpenStack.Authentication;

namespace NovaLxd.OpenStack;

/// <summary>
/// For whom a REST call is made; one per request that the compute service handles, made from its RPC context.
/// </summary>
/// <param name="UserToken">The user's Keystone token (context key <c>auth_token</c>), null in periodic tasks.</param>
/// <param name="RequestId">Context key <c>request_id</c>, "req-" and a uuid.</param>
/// <param name="GlobalRequestId">Context key <c>global_request_id</c>; goes out instead of <paramref name="RequestId"/> when set.</param>
/// <param name="Catalog">The user's endpoints (context key <c>service_catalog</c>); null or empty: the service's own catalog is used.</param>
/// <param name="IsAdmin">Context key <c>is_admin</c>: allowed to fall back to the service's credentials when there is no user token.</param>
public sealed record OpenStackCaller(
    string? UserToken,
    string RequestId,
    string? GlobalRequestId = null,
    ServiceCatalog? Catalog = null,
    bool IsAdmin = false)
{
    /// <summary>Whether the service's own credentials are used although there is a user's token (Nova: <c>get_client(context, admin=True)</c>).</summary>
    public bool AsService { get; init; }

    /// <summary>The same request, made with the credentials of the called service's section.</summary>
    public OpenStackCaller WithServiceCredentials() => this with { AsService = true };

    /// <summary>A caller for work that no user asked for: start-up and periodic tasks.</summary>
    public static OpenStackCaller Background(string requestId) => new(null, requestId, IsAdmin: true) { AsService = true };

    /// <summary>A caller for background work with a fresh request id.</summary>
    public static OpenStackCaller Background() => Background($"req-{Guid.NewGuid()}");

    internal string OutgoingRequestId => string.IsNullOrEmpty(GlobalRequestId) ? RequestId : GlobalRequestId;

    /// <summary>Never prints the token.</summary>
    public override string ToString() => $"{RequestId} ({(AsService || UserToken is null ? "service" : "user")})";
}
