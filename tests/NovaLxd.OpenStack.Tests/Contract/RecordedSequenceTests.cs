using Microsoft.Extensions.DependencyInjection;
using NovaLxd.OpenStack.Http;
using NovaLxd.OpenStack.Placement;
using NovaLxd.OpenStack.Placement.Models;

namespace NovaLxd.OpenStack.Tests.Contract;

/// <summary>Whole conversations: what the service does in one step makes the requests that Nova makes, in Nova's order.</summary>
public sealed class RecordedSequenceTests : CloudTest
{
    [Theory]
    [InlineData("zed", "cmp1")]
    [InlineData("2026.1", "wire1")]
    public async Task FirstStartOfAHost(string release, string name)
    {
        var recordings = Recording.Load(release);
        await using var recorded = new RecordedCloud(recordings);
        await recorded.StartAsync();
        var services = Start(("placement.endpoint_override", recorded.Url));
        var client = services.GetRequiredService<PlacementClient>();
        var uuid = (string)recordings.First(r => r.Line == "POST /resource_providers").Body!["uuid"]!;
        var inventories = recordings.First(r => r.Method == "PUT" && r.Path.EndsWith("/inventories", StringComparison.Ordinal)).Body!
            .ToObject<ProviderInventories>(OpenStackJson.Serializer)!.Inventories;
        var traits = recordings.First(r => r.Method == "PUT" && r.Path.EndsWith("/traits", StringComparison.Ordinal)).Body!["traits"]!.Values<string>().OfType<string>().ToHashSet();

        await client.GetVersionAsync(Service, Never);
        await client.EnsureRootProviderAsync(Service, uuid, name, Never);
        await services.GetRequiredService<PlacementAllocations>().GetAllocationsForProviderAsync(Service, uuid, Never);
        await client.UpdateAsync(Service, uuid, name, inventories, traits, _ => true, Never);

        string[] expected = [.. recordings.Where(r => r.Service == "placement").Take(7).Select(r => $"{r.Method} {Recording.PathOf(r.Path)}")];
        Assert.Equal(expected, recorded.Requests.Select(r => $"{r.Method} {r.Path}"));
        Assert.All(recorded.Requests, r => Assert.Equal(200, r.Status));
    }

    [Fact]
    public async Task RevertMovesTheMigrationsAllocationsToTheInstance()
    {
        var recordings = Recording.Load("zed");
        var post = recordings.First(r => r.Line == "POST /allocations");
        var consumers = ((Newtonsoft.Json.Linq.JObject)post.Body!).Properties().ToList();
        // The two answers that Nova read before it posted: deduplicated away in the excerpt, they follow from what it posted.
        var answers = consumers.Select((c, i) => new Recording("zed", "placement", "GET", $"/allocations/{c.Name}", "placement 1.28", true, false, null, 200, Answer(i)));
        await using var recorded = new RecordedCloud([post, .. answers]);
        await recorded.StartAsync();

        var moved = await Start(("placement.endpoint_override", recorded.Url)).GetRequiredService<PlacementAllocations>()
            .MoveAllocationsAsync(Service, consumers[0].Name, consumers[1].Name, Never);

        Assert.True(moved);
        Assert.True(Recording.SameBody(post.Body, recorded.Requests[^1].Json), recorded.Requests[^1].Body);

        Newtonsoft.Json.Linq.JToken Answer(int index)
        {
            var target = consumers[1].Value.DeepClone();
            if (index == 0)
                target["consumer_generation"] = consumers[0].Value["consumer_generation"];
            return target;
        }
    }
}
