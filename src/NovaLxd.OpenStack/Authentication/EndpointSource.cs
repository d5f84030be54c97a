using System.Text.RegularExpressions;

namespace NovaLxd.OpenStack.Authentication;

/// <summary>Where a service is. Asked before every attempt; the answer is the root, without an API version and without a slash at the end.</summary>
internal interface IEndpointSource
{
    ValueTask<string> GetRootAsync(OpenStackCaller caller, CancellationToken cancellationToken);
}

/// <summary>endpoint_override, else the user's catalog, else that of our own token.</summary>
internal sealed partial class CatalogEndpoints(ServiceIdentity identity, IReadOnlyList<ServiceSection> catalogs, KeystoneSessions sessions) : IEndpointSource
{
    public async ValueTask<string> GetRootAsync(OpenStackCaller caller, CancellationToken cancellationToken)
    {
        var adapter = identity.Section.Adapter;
        if (adapter.EndpointOverride is { } url)
            return Root(url.AbsoluteUri);
        if (identity.UsesUserToken(caller) && caller.Catalog?.Find(adapter) is { } users)
            return Root(users.Url);

        // Nova gives up when the user's catalog lacks the service; any catalog of ours names the same endpoints, so we look there.
        if (catalogs.Select(sessions.For).FirstOrDefault(s => s is not null) is not { } session)
            throw new EndpointNotFoundException(identity.Section.Name, $"{identity.Section.Name}: no catalog to look in, since no section has credentials; set endpoint_override");
        var token = await session.GetAsync(cancellationToken);
        if (token.Catalog.Find(adapter) is { } found)
            return Root(found.Url);
        // The endpoint may be registered later, and the catalog is as old as the token: the next call gets a new one.
        session.Invalidate(token.Value);
        throw new EndpointNotFoundException(
            identity.Section.Name,
            $"{identity.Section.Name}: the catalog has no {string.Join(" or ", adapter.ValidInterfaces)} endpoint of type {adapter.ServiceType}"
            + (adapter.RegionName is { } region ? $" in region {region}" : "") + $"; it has: {token.Catalog.Describe(adapter)}");
    }

    /// <summary>http://host/image/v2/ becomes http://host/image; Cinder's /v3/PROJECT goes too: our paths begin with the version.</summary>
    internal static string Root(string url) => Version().Replace(url.TrimEnd('/'), "");

    [GeneratedRegex(@"/v\d+(\.\d+)?(/[0-9a-fA-F-]{32,36})?$")]
    private static partial Regex Version();
}

/// <summary>[glance] api_servers: begins at a random one and takes the next for each attempt, so a dead server costs one attempt.</summary>
internal sealed class RotatingEndpoints : IEndpointSource
{
    private readonly string[] roots;
    private int next = -1;

    public RotatingEndpoints(IReadOnlyList<Uri> servers)
    {
        roots = [.. servers.Select(s => CatalogEndpoints.Root(s.AbsoluteUri))];
        Random.Shared.Shuffle(roots);
    }

    public ValueTask<string> GetRootAsync(OpenStackCaller caller, CancellationToken cancellationToken) =>
        ValueTask.FromResult(roots[(uint)Interlocked.Increment(ref next) % (uint)roots.Length]);
}

/// <summary>[cinder] endpoint_template: its <c>/v3/%(project_id)s</c> is what our paths begin with.</summary>
internal sealed class FixedEndpoint(string url) : IEndpointSource
{
    private readonly string root = CatalogEndpoints.Root(url.Replace("%(project_id)s", new string('0', 32), StringComparison.Ordinal).Replace("%(tenant_id)s", new string('0', 32), StringComparison.Ordinal));

    public ValueTask<string> GetRootAsync(OpenStackCaller caller, CancellationToken cancellationToken) => ValueTask.FromResult(root);
}
