using Newtonsoft.Json.Linq;

namespace NovaLxd.OpenStack.Authentication;

/// <summary>One address of one service. <paramref name="Interface"/> is public, internal or admin.</summary>
public sealed record CatalogEndpoint(string ServiceType, string? ServiceName, string? Region, string Interface, string Url);

/// <summary>
/// The endpoints a token comes with. Read from Keystone's v3 answer (<c>token.catalog</c>) or from the older shape
/// that Nova puts into its RPC context (<c>{type, name, endpoints: [{region, publicURL, internalURL, adminURL}]}</c>).
/// </summary>
public sealed class ServiceCatalog(IReadOnlyList<CatalogEndpoint> endpoints)
{
    /// <summary>Names under which one service may be registered, the official one first (service-types.openstack.org).</summary>
    private static readonly string[][] Aliases =
    [
        ["block-storage", "volumev3", "volumev2", "volume", "block-store"],
        ["network", "networking"],
        ["image", "images"],
    ];

    private static readonly string[] Interfaces = ["public", "internal", "admin"];

    public IReadOnlyList<CatalogEndpoint> Endpoints { get; } = endpoints;

    public static ServiceCatalog Parse(JArray? catalog)
    {
        var endpoints = new List<CatalogEndpoint>();
        foreach (var service in (catalog ?? []).OfType<JObject>())
        {
            if ((string?)service["type"] is not { } type)
                continue;
            var name = (string?)service["name"];
            foreach (var endpoint in (service["endpoints"] as JArray ?? []).OfType<JObject>())
                endpoints.AddRange(Read(type, name, endpoint));
        }

        return new(endpoints);
    }

    /// <summary>
    /// The best endpoint: exact service type before its aliases, then the caller's order of interfaces; null when there is none.
    /// </summary>
    public CatalogEndpoint? Find(AdapterOptions adapter)
    {
        foreach (var type in TypesFor(adapter.ServiceType))
        {
            var candidates = Endpoints.Where(e => e.ServiceType == type
                && (adapter.RegionName is null || e.Region == adapter.RegionName)
                && (string.IsNullOrEmpty(adapter.ServiceName) || e.ServiceName == adapter.ServiceName)).ToList();
            foreach (var wanted in adapter.ValidInterfaces)
            {
                if (candidates.Find(e => e.Interface == InterfaceName(wanted)) is { } found)
                    return found;
            }
        }

        return null;
    }

    /// <summary>What is there for a service, for an error message.</summary>
    internal string Describe(AdapterOptions adapter)
    {
        var types = TypesFor(adapter.ServiceType).ToList();
        var seen = Endpoints.Where(e => types.Contains(e.ServiceType)).Select(e => $"{e.ServiceType} {e.Interface} in {e.Region ?? "no region"}").ToList();
        return seen.Count > 0 ? string.Join(", ", seen) : "service types " + string.Join(", ", Endpoints.Select(e => e.ServiceType).Distinct());
    }

    private static IEnumerable<string> TypesFor(string type) =>
        Array.Find(Aliases, a => a.Contains(type)) is { } aliases ? aliases.Where(a => a != type).Prepend(type) : [type];

    internal static string InterfaceName(string name) => name.EndsWith("URL", StringComparison.Ordinal) ? name[..^3] : name;

    private static IEnumerable<CatalogEndpoint> Read(string type, string? name, JObject endpoint)
    {
        var region = (string?)endpoint["region"] ?? (string?)endpoint["region_id"];
        if ((string?)endpoint["interface"] is { } known && (string?)endpoint["url"] is { } url)
            yield return new(type, name, region, InterfaceName(known), url);
        foreach (var one in Interfaces)
        {
            if ((string?)endpoint[one + "URL"] is { } old)
                yield return new(type, name, region, one, old);
        }
    }
}
