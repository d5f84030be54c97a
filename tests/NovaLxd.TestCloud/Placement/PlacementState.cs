using Newtonsoft.Json.Linq;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.TestCloud.Placement;

/// <summary>A resource provider in the fake.</summary>
public sealed class FakeProvider(string uuid, string name, string? parent)
{
    public string Uuid { get; } = uuid;
    public string Name { get; } = name;
    public string? Parent { get; } = parent;
    public int Generation { get; set; }
    public Dictionary<string, JObject> Inventories { get; set; } = [];
    public SortedSet<string> Traits { get; set; } = new(StringComparer.Ordinal);
    public SortedSet<string> Aggregates { get; set; } = new(StringComparer.Ordinal);
}

/// <summary>A consumer in the fake: provider uuid to resource class to amount.</summary>
public sealed class FakeConsumer(string project, string user)
{
    public string Project { get; } = project;
    public string User { get; } = user;
    public int Generation { get; set; } = 1;
    public Dictionary<string, Dictionary<string, int>> Allocations { get; set; } = [];
}

/// <summary>Placement's rules without HTTP: generations, capacity, what may be deleted (placement/objects, placement/handlers).</summary>
internal sealed class PlacementState
{
    public Dictionary<string, FakeProvider> Providers { get; } = [];
    public Dictionary<string, FakeConsumer> Consumers { get; } = [];
    public HashSet<string> Traits { get; } = [];
    public HashSet<string> ResourceClasses { get; } = ["VCPU", "PCPU", "MEMORY_MB", "DISK_GB", "NET_BW_EGR_KILOBIT_PER_SEC", "NET_BW_IGR_KILOBIT_PER_SEC"];

    public FakeProvider Provider(string uuid) =>
        Providers.GetValueOrDefault(uuid) ?? throw new ServiceFailureException(404, $"No resource provider with uuid {uuid} found");

    public FakeProvider Create(string uuid, string name, string? parent)
    {
        if (Providers.ContainsKey(uuid))
            throw new ServiceFailureException(409, $"Conflicting resource provider uuid: {uuid} already exists.", "placement.duplicate_name");
        if (Providers.Values.Any(p => p.Name == name))
            throw new ServiceFailureException(409, $"Conflicting resource provider name: {name} already exists.", "placement.duplicate_name");
        if (parent is not null && !Providers.ContainsKey(parent))
            throw new ServiceFailureException(400, $"Unable to create resource provider \"{name}\", {uuid}: parent provider UUID does not exist.");
        return Providers[uuid] = new FakeProvider(uuid, name, parent);
    }

    public void Delete(string uuid)
    {
        var provider = Provider(uuid);
        if (Providers.Values.Any(p => p.Parent == uuid))
            throw new ServiceFailureException(409, $"Unable to delete parent resource provider {uuid}: It has child resource providers.", "placement.resource_provider.cannot_delete_parent");
        if (Used(uuid).Count > 0)
            throw new ServiceFailureException(409, $"Unable to delete resource provider {uuid}: Resource provider has allocations.", "placement.resource_provider.inuse");
        Providers.Remove(provider.Uuid);
    }

    public string RootOf(FakeProvider provider) => provider.Parent is { } parent ? RootOf(Provider(parent)) : provider.Uuid;

    public void CheckGeneration(FakeProvider provider, JToken? generation)
    {
        if (generation?.Type != JTokenType.Integer)
            throw new ServiceFailureException(400, "JSON does not validate: 'resource_provider_generation' is a required property");
        if ((int)generation != provider.Generation)
            throw new ServiceFailureException(409, "resource provider generation conflict", "placement.concurrent_update");
    }

    /// <summary>Amounts in use of a provider, by resource class.</summary>
    public Dictionary<string, int> Used(string uuid, string? withoutConsumer = null) =>
        Consumers.Where(c => c.Key != withoutConsumer)
            .SelectMany(c => c.Value.Allocations.GetValueOrDefault(uuid) ?? [])
            .GroupBy(a => a.Key)
            .ToDictionary(g => g.Key, g => g.Sum(a => a.Value));

    public void SetInventories(FakeProvider provider, JObject inventories)
    {
        foreach (var gone in provider.Inventories.Keys.Where(k => !inventories.ContainsKey(k)))
        {
            if (Used(provider.Uuid).ContainsKey(gone))
                throw new ServiceFailureException(409, $"Inventory for '{gone}' on resource provider '{provider.Uuid}' in use.", "placement.inventory.inuse");
        }

        provider.Inventories = inventories.Properties().ToDictionary(p => p.Name, p => Complete(p.Name, (JObject)p.Value));
        provider.Generation++;
    }

    public void SetTraits(FakeProvider provider, IEnumerable<string> traits)
    {
        var wanted = new SortedSet<string>(traits, StringComparer.Ordinal);
        if (wanted.Where(t => !Traits.Contains(t)).ToList() is { Count: > 0 } unknown)
            throw new ServiceFailureException(400, $"No such trait(s): {string.Join(", ", unknown)}.");
        provider.Traits = wanted;
        provider.Generation++;
    }

    /// <summary>PUT /allocations/{consumer} and each part of POST /allocations; checks everything before changing anything.</summary>
    public void CheckAllocations(string uuid, JObject body)
    {
        var present = Consumers.GetValueOrDefault(uuid);
        var expected = body["consumer_generation"];
        if (expected is null)
            throw new ServiceFailureException(400, "JSON does not validate: 'consumer_generation' is a required property");
        if (present?.Generation != (int?)expected)
        {
            throw new ServiceFailureException(
                409, $"consumer generation conflict - expected {present?.Generation.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "null"} but got {expected}", "placement.concurrent_update");
        }

        if (string.IsNullOrEmpty((string?)body["project_id"]) || string.IsNullOrEmpty((string?)body["user_id"]))
            throw new ServiceFailureException(400, "JSON does not validate: 'project_id' and 'user_id' are required properties");
        foreach (var (providerUuid, amounts) in Amounts(body))
        {
            var provider = Providers.GetValueOrDefault(providerUuid) ?? throw new ServiceFailureException(400, $"Allocation for resource provider '{providerUuid}' that does not exist.");
            foreach (var (resourceClass, amount) in amounts)
                CheckCapacity(provider, resourceClass, amount, uuid);
        }
    }

    public void SetAllocations(string uuid, JObject body)
    {
        var wanted = Amounts(body);
        var touched = wanted.Keys.Union(Consumers.GetValueOrDefault(uuid)?.Allocations.Keys ?? Enumerable.Empty<string>()).ToList();
        if (wanted.Count == 0)
        {
            Consumers.Remove(uuid);
        }
        else if (Consumers.TryGetValue(uuid, out var consumer))
        {
            consumer.Allocations = wanted;
            consumer.Generation++;
        }
        else
        {
            Consumers[uuid] = new FakeConsumer((string)body["project_id"]!, (string)body["user_id"]!) { Allocations = wanted };
        }

        foreach (var provider in touched.Select(Providers.GetValueOrDefault).OfType<FakeProvider>())
            provider.Generation++;
    }

    private void CheckCapacity(FakeProvider provider, string resourceClass, int amount, string consumer)
    {
        if (!provider.Inventories.TryGetValue(resourceClass, out var inventory))
            throw new ServiceFailureException(409, $"Unable to allocate inventory: No inventory of {resourceClass} on {provider.Uuid}", "placement.undefined_code");
        var capacity = ((int)inventory["total"]! - (int)inventory["reserved"]!) * (double)inventory["allocation_ratio"]!;
        var used = Used(provider.Uuid, consumer).GetValueOrDefault(resourceClass);
        if (amount < (int)inventory["min_unit"]! || amount > (int)inventory["max_unit"]! || used + amount > capacity)
            throw new ServiceFailureException(409, $"Unable to allocate inventory: Unable to create allocation for '{resourceClass}' on resource provider '{provider.Uuid}'. The requested amount would exceed the capacity.", "placement.undefined_code");
    }

    private static Dictionary<string, Dictionary<string, int>> Amounts(JObject body) =>
        ((JObject)body["allocations"]!).Properties().ToDictionary(
            p => p.Name,
            p => ((JObject)p.Value["resources"]!).Properties().ToDictionary(r => r.Name, r => (int)r.Value));

    private JObject Complete(string resourceClass, JObject given)
    {
        if (!ResourceClasses.Contains(resourceClass))
            throw new ServiceFailureException(400, $"Unknown resource class in inventory: No such resource class {resourceClass}.");
        if (given["total"] is not { Type: JTokenType.Integer } total || (int)total < 1)
            throw new ServiceFailureException(400, "JSON does not validate: total is less than the minimum of 1");
        var complete = new JObject
        {
            ["total"] = total,
            ["reserved"] = 0,
            ["min_unit"] = 1,
            ["max_unit"] = int.MaxValue,
            ["step_size"] = 1,
            ["allocation_ratio"] = 1.0,
        };
        complete.Merge(given);
        if ((int)complete["reserved"]! > (int)total)
            throw new ServiceFailureException(400, $"Invalid inventory for '{resourceClass}': the reserved value is greater than total.");
        return complete;
    }
}
