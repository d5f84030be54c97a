using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Newtonsoft.Json.Linq;
using NovaLxd.TestCloud.Http;
using NovaLxd.TestCloud.Keystone;

namespace NovaLxd.TestCloud.Placement;

/// <summary>
/// Placement API 1.0 to 1.39 as far as a compute service and a scheduler use it: providers with generations, inventories, traits, aggregates,
/// allocations with consumer generations. A route asked with a microversion older than its own is refused as the real one refuses it.
/// </summary>
public sealed class FakePlacement(FakeKeystone keystone) : AuthenticatedService("placement", keystone)
{
    private readonly PlacementState state = new();

    /// <summary>max_version of the version document and limit of what is accepted, 1.N.</summary>
    public int MaxMinor { get; set; } = 39;

    public IReadOnlyDictionary<string, FakeProvider> Providers
    {
        get
        {
            lock (State)
                return state.Providers.ToDictionary();
        }
    }

    public IReadOnlyDictionary<string, FakeConsumer> Consumers
    {
        get
        {
            lock (State)
                return state.Consumers.ToDictionary();
        }
    }

    /// <summary>Standard traits that exist from the start; custom ones are created by PUT /traits.</summary>
    public void AddStandardTraits(params string[] traits) => Change(s => s.Traits.UnionWith(traits));

    /// <summary>Somebody else creates a provider.</summary>
    public void AddProvider(string uuid, string name, string? parent = null) => Change(s => s.Create(uuid, name, parent));

    /// <summary>Somebody else changes a provider, which raises its generation.</summary>
    public void ChangeProvider(string uuid, Action<FakeProvider> change) => Change(s =>
    {
        change(s.Provider(uuid));
        s.Provider(uuid).Generation++;
        s.Traits.UnionWith(s.Provider(uuid).Traits);
    });

    /// <summary>What the scheduler does when it chose a host.</summary>
    public void Allocate(string consumer, string provider, string project, string user, params (string ResourceClass, int Amount)[] amounts) => Change(s =>
    {
        var body = new JObject
        {
            ["allocations"] = new JObject
            {
                [provider] = new JObject { ["resources"] = new JObject(amounts.Select(a => new JProperty(a.ResourceClass, a.Amount))) },
            },
            ["project_id"] = project,
            ["user_id"] = user,
            ["consumer_generation"] = s.Consumers.GetValueOrDefault(consumer)?.Generation,
        };
        s.CheckAllocations(consumer, body);
        s.SetAllocations(consumer, body);
    });

    /// <summary>Codes came with 1.23; what is asked with an older version has to be told apart by its text.</summary>
    protected override string ErrorBody(HttpContext context, int status, string message, string code)
    {
        var error = new JObject
        {
            ["status"] = status,
            ["title"] = status switch { 404 => "Not Found", 409 => "Conflict", _ => "Bad Request" },
            ["detail"] = $"The server could not comply with the request.\n\n {message}  ",
            ["request_id"] = $"req-{Guid.NewGuid()}",
        };
        if (context.Items["minor"] is >= 23)
            error["code"] = code.Length > 0 ? code : "placement.undefined_code";
        return new JObject { ["errors"] = new JArray(error) }.ToString();
    }

    protected override void Check(HttpContext context)
    {
        base.Check(context);
        var asked = context.Request.Headers["OpenStack-API-Version"].FirstOrDefault() ?? "placement 1.0";
        var parts = asked.Split(' ', '.');
        if (parts is not ["placement", "1", var text] || !int.TryParse(text, CultureInfo.InvariantCulture, out var minor) || minor > MaxMinor)
            throw new ServiceFailureException(406, $"Unacceptable version header: {asked}");
        context.Items["minor"] = minor;
        context.Response.Headers["openstack-api-version"] = $"placement 1.{minor}";
        if (context.Request.ContentLength > 0 && context.Request.ContentType?.StartsWith("application/json", StringComparison.Ordinal) != true)
            throw new ServiceFailureException(415, $"The media type {context.Request.ContentType} is not supported, use application/json");
    }

    protected override void Map(IEndpointRouteBuilder routes)
    {
        Route(routes, "GET", "/", _ => (200, new JObject
        {
            ["versions"] = new JArray(new JObject
            {
                ["id"] = "v1.0",
                ["min_version"] = "1.0",
                ["max_version"] = $"1.{MaxMinor}",
                ["status"] = "CURRENT",
                ["links"] = new JArray(new JObject { ["rel"] = "self", ["href"] = "" }),
            }),
        }));
        MapProviders(routes);
        MapAssociations(routes);
        MapAllocations(routes);
    }

    private void MapProviders(IEndpointRouteBuilder routes)
    {
        Route(routes, "GET", "/resource_providers", request => (200, new JObject
        {
            ["resource_providers"] = new JArray(Filter(request).Select(Body)),
        }));
        Route(routes, "GET", "/resource_providers/{uuid}", request => (200, Body(state.Provider(request["uuid"]))));
        Route(routes, "POST", "/resource_providers", request =>
        {
            var body = request.Json;
            var created = state.Create((string)body["uuid"]!, (string)body["name"]!, (string?)body["parent_provider_uuid"]);
            return Minor(request) >= 20 ? (200, Body(created)) : (201, null);
        });
        Route(routes, "DELETE", "/resource_providers/{uuid}", request =>
        {
            state.Delete(request["uuid"]);
            return (204, null);
        });
    }

    private void MapAssociations(IEndpointRouteBuilder routes)
    {
        Route(routes, "GET", "/resource_providers/{uuid}/inventories", request => (200, Inventories(state.Provider(request["uuid"]))));
        Route(routes, "PUT", "/resource_providers/{uuid}/inventories", request =>
        {
            var provider = state.Provider(request["uuid"]);
            state.CheckGeneration(provider, request.Json["resource_provider_generation"]);
            state.SetInventories(provider, (JObject)request.Json["inventories"]!);
            return (200, Inventories(provider));
        });
        Route(routes, "GET", "/resource_providers/{uuid}/traits", request => Since(request, 6, (200, Traits(state.Provider(request["uuid"])))));
        Route(routes, "PUT", "/resource_providers/{uuid}/traits", request =>
        {
            Since(request, 6);
            var provider = state.Provider(request["uuid"]);
            state.CheckGeneration(provider, request.Json["resource_provider_generation"]);
            state.SetTraits(provider, request.Json["traits"]!.Values<string>().OfType<string>());
            return (200, Traits(provider));
        });
        Route(routes, "GET", "/resource_providers/{uuid}/aggregates", request => Since(request, 19, (200, Aggregates(state.Provider(request["uuid"])))));
        Route(routes, "PUT", "/resource_providers/{uuid}/aggregates", request =>
        {
            Since(request, 19);
            var provider = state.Provider(request["uuid"]);
            state.CheckGeneration(provider, request.Json["resource_provider_generation"]);
            provider.Aggregates = new(request.Json["aggregates"]!.Values<string>().OfType<string>(), StringComparer.Ordinal);
            provider.Generation++;
            return (200, Aggregates(provider));
        });
        Route(routes, "GET", "/traits", request =>
        {
            Since(request, 6);
            var names = request.Query("name")?.Split(':', 2)[1].Split(',') ?? [.. state.Traits];
            return (200, new JObject { ["traits"] = new JArray(names.Where(state.Traits.Contains).Order(StringComparer.Ordinal)) });
        });
        Route(routes, "PUT", "/traits/{name}", request =>
        {
            Since(request, 6);
            CheckCustom(request["name"], "trait");
            return (state.Traits.Add(request["name"]) ? 201 : 204, null);
        });
        Route(routes, "PUT", "/resource_classes/{name}", request =>
        {
            Since(request, 7);
            CheckCustom(request["name"], "resource class");
            return (state.ResourceClasses.Add(request["name"]) ? 201 : 204, null);
        });
    }

    private void MapAllocations(IEndpointRouteBuilder routes)
    {
        Route(routes, "GET", "/resource_providers/{uuid}/allocations", request =>
        {
            var provider = state.Provider(request["uuid"]);
            var on = state.Consumers.Where(c => c.Value.Allocations.ContainsKey(provider.Uuid));
            return (200, new JObject
            {
                ["allocations"] = new JObject(on.Select(c => new JProperty(c.Key, Resources(c.Value.Allocations[provider.Uuid])))),
                ["resource_provider_generation"] = provider.Generation,
            });
        });
        Route(routes, "GET", "/allocations/{consumer}", request => (200, ConsumerBody(request["consumer"], Minor(request))));
        Route(routes, "PUT", "/allocations/{consumer}", request =>
        {
            Since(request, 28);
            state.CheckAllocations(request["consumer"], request.Json);
            state.SetAllocations(request["consumer"], request.Json);
            return (204, null);
        });
        Route(routes, "POST", "/allocations", request =>
        {
            Since(request, 28);
            PostAll(request.Json);
            return (204, null);
        });
        Route(routes, "DELETE", "/allocations/{consumer}", request =>
        {
            if (!state.Consumers.TryGetValue(request["consumer"], out var consumer))
                throw new ServiceFailureException(404, $"No allocations for consumer '{request["consumer"]}'");
            state.Consumers.Remove(request["consumer"]);
            foreach (var provider in consumer.Allocations.Keys)
                state.Provider(provider).Generation++;
            return (204, null);
        });
        Route(routes, "POST", "/reshaper", request =>
        {
            Since(request, 30);
            foreach (var (uuid, body) in (JObject)request.Json["inventories"]!)
                state.CheckGeneration(state.Provider(uuid), body!["resource_provider_generation"]);
            foreach (var (consumer, _) in (JObject)request.Json["allocations"]!)
                state.Consumers.GetValueOrDefault(consumer)?.Allocations.Clear();
            foreach (var (uuid, body) in (JObject)request.Json["inventories"]!)
                state.SetInventories(state.Provider(uuid), (JObject)body!["inventories"]!);
            PostAll((JObject)request.Json["allocations"]!);
            return (204, null);
        });
    }

    /// <summary>Sources are emptied before targets are filled, as in one transaction.</summary>
    private void PostAll(JObject body)
    {
        foreach (var (consumer, part) in body.Properties().OrderBy(p => ((JObject)p.Value["allocations"]!).Count).Select(p => (p.Name, (JObject)p.Value)))
        {
            state.CheckAllocations(consumer, part);
            state.SetAllocations(consumer, part);
        }
    }

    private List<FakeProvider> Filter(FakeRequest request)
    {
        IEnumerable<FakeProvider> found = state.Providers.Values;
        if (request.Query("in_tree") is { } member)
        {
            Since(request, 14);
            var root = state.Providers.TryGetValue(member, out var one) ? state.RootOf(one) : null;
            found = found.Where(p => state.RootOf(p) == root);
        }

        if (request.Query("name") is { } name)
            found = found.Where(p => p.Name == name);
        if (request.Query("member_of") is { } aggregates)
            found = found.Where(p => p.Aggregates.Overlaps(aggregates["in:".Length..].Split(',')));
        if (request.Query("required") is { } traits)
        {
            Since(request, 18);
            found = found.Where(p => p.Traits.IsSupersetOf(traits.Split(',')));
        }

        return found.ToList();
    }

    private void Change(Action<PlacementState> change)
    {
        lock (State)
            change(state);
    }

    private static int Minor(FakeRequest request) => (int)request.Context.Items["minor"]!;

    private static void Since(FakeRequest request, int minor)
    {
        if (Minor(request) < minor)
            throw new ServiceFailureException(404, $"The resource could not be found at version 1.{Minor(request)}; it came with 1.{minor}.");
    }

    private static (int, JToken?) Since(FakeRequest request, int minor, (int, JToken?) answer)
    {
        Since(request, minor);
        return answer;
    }

    private static void CheckCustom(string name, string what)
    {
        if (!name.StartsWith("CUSTOM_", StringComparison.Ordinal) || name.Any(c => !char.IsAsciiLetterUpper(c) && !char.IsAsciiDigit(c) && c != '_'))
            throw new ServiceFailureException(400, $"The {what} name {name} is invalid: it must begin with CUSTOM_ and hold A-Z, 0-9 and _ only.");
    }

    private JObject Body(FakeProvider provider) => new()
    {
        ["uuid"] = provider.Uuid,
        ["name"] = provider.Name,
        ["generation"] = provider.Generation,
        ["parent_provider_uuid"] = provider.Parent,
        ["root_provider_uuid"] = state.RootOf(provider),
    };

    private static JObject Inventories(FakeProvider provider) => new()
    {
        ["resource_provider_generation"] = provider.Generation,
        ["inventories"] = new JObject(provider.Inventories.Select(i => new JProperty(i.Key, i.Value.DeepClone()))),
    };

    private static JObject Traits(FakeProvider provider) => new()
    {
        ["traits"] = new JArray(provider.Traits),
        ["resource_provider_generation"] = provider.Generation,
    };

    private static JObject Aggregates(FakeProvider provider) => new()
    {
        ["aggregates"] = new JArray(provider.Aggregates),
        ["resource_provider_generation"] = provider.Generation,
    };

    private static JObject Resources(Dictionary<string, int> amounts) => new()
    {
        ["resources"] = new JObject(amounts.Select(a => new JProperty(a.Key, a.Value))),
    };

    private JObject ConsumerBody(string uuid, int minor)
    {
        if (!state.Consumers.TryGetValue(uuid, out var consumer))
            return new JObject { ["allocations"] = new JObject() };
        var body = new JObject
        {
            ["allocations"] = new JObject(consumer.Allocations.Select(a =>
            {
                var part = Resources(a.Value);
                part["generation"] = state.Provider(a.Key).Generation;
                return new JProperty(a.Key, part);
            })),
        };
        if (minor >= 12)
        {
            body["project_id"] = consumer.Project;
            body["user_id"] = consumer.User;
        }

        if (minor >= 28)
            body["consumer_generation"] = consumer.Generation;
        return body;
    }
}
