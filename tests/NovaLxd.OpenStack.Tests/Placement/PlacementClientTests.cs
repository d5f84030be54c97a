using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using NovaLxd.OpenStack.Placement;
using NovaLxd.OpenStack.Placement.Models;
using NovaLxd.TestCloud.Http;
using NovaLxd.TestCloud.Placement;

namespace NovaLxd.OpenStack.Tests.Placement;

public sealed class PlacementClientTests : CloudTest
{
    private const string Uuid = "9aedf423-39a3-4bc0-ab26-54bb7d2a9117";
    private const string Name = "cmp1";

    private static readonly Dictionary<string, Inventory> Inventories = new()
    {
        ["VCPU"] = new(4) { MinUnit = 1, MaxUnit = 4, StepSize = 1, AllocationRatio = 16.0, Reserved = 0 },
        ["MEMORY_MB"] = new(8000) { MinUnit = 1, MaxUnit = 8000, StepSize = 1, AllocationRatio = 1.5, Reserved = 512 },
    };

    private static readonly HashSet<string> Traits = ["COMPUTE_NODE", "CUSTOM_SYSTEM_CONTAINER"];

    private readonly FakeTimeProvider time = new() { AutoAdvanceAmount = TimeSpan.Zero };

    protected override TimeProvider Time => time;

    private FakeProvider Provider => Cloud.Placement.Providers[Uuid];

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        Cloud.Placement.AddStandardTraits("COMPUTE_NODE", "COMPUTE_DEVICE_TAGGING", "COMPUTE_STATUS_DISABLED", "MISC_SHARES_VIA_AGGREGATE");
    }

    private PlacementClient Client(params (string, string?)[] set) => Start(set).GetRequiredService<PlacementClient>();

    private Task<ProviderTree> Update(PlacementClient client, HashSet<string>? traits = null, Dictionary<string, Inventory>? inventories = null) =>
        Awaiting(client.UpdateAsync(Service, Uuid, Name, inventories ?? Inventories, traits ?? Traits, t => t.StartsWith("COMPUTE_", StringComparison.Ordinal), Never));

    /// <summary>Pauses after conflicts and failures are waited for in the test's time, which this moves.</summary>
    private async Task<T> Awaiting<T>(Task<T> task)
    {
        while (await Task.WhenAny(task, Task.Delay(5)) != task)
            time.Advance(TimeSpan.FromMilliseconds(20));
        return await task;
    }

    private IEnumerable<string> Lines => Cloud.Placement.Requests.Select(r => $"{r.Method} {r.Path}");

    [Fact]
    public async Task NewHostIsRegisteredWithInventoryAndTraits()
    {
        var tree = await Update(Client());
        Assert.Equal(Name, Provider.Name);
        Assert.Equal(4, (int)Provider.Inventories["VCPU"]["total"]!);
        Assert.Equal(Traits.Order(), Provider.Traits);
        Assert.Equal(Provider.Generation, tree[Uuid].Generation);
    }

    [Fact]
    public async Task UpdateWithoutChangeSendsNothing()
    {
        var client = Client();
        await Update(client);
        Cloud.Placement.ForgetRequests();
        await Update(client);
        Assert.Empty(Cloud.Placement.Requests);
    }

    [Fact]
    public async Task OnlyTheChangedPartIsWritten()
    {
        var client = Client();
        await Update(client);
        Cloud.Placement.ForgetRequests();
        await Update(client, traits: ["COMPUTE_NODE", "COMPUTE_STATUS_DISABLED"]);
        Assert.Equal(["GET /traits", $"PUT /resource_providers/{Uuid}/traits"], Lines);
    }

    [Fact]
    public async Task ForeignTraitsAndAggregatesStayAndOwnOnesThatAreNotWantedGo()
    {
        var client = Client();
        await Update(client, traits: ["COMPUTE_NODE", "COMPUTE_STATUS_DISABLED"]);
        Cloud.Placement.ChangeProvider(Uuid, p =>
        {
            p.Traits.Add("CUSTOM_RACK_7");
            p.Aggregates.Add("aaaaaaaa-0000-0000-0000-000000000001");
        });
        client.Forget(Uuid);
        await Update(client);
        Assert.Equal(["COMPUTE_NODE", "CUSTOM_RACK_7", "CUSTOM_SYSTEM_CONTAINER"], Provider.Traits);
        Assert.Equal(["aaaaaaaa-0000-0000-0000-000000000001"], Provider.Aggregates);
    }

    [Fact]
    public async Task AssociationsAreReadAgainAfterTheInterval()
    {
        var client = Client(("compute.resource_provider_association_refresh", "300"));
        await client.EnsureRootProviderAsync(Service, Uuid, Name, Never);
        Cloud.Placement.ChangeProvider(Uuid, p => p.Traits.Add("CUSTOM_RACK_7"));
        time.Advance(TimeSpan.FromSeconds(299));
        Assert.Empty((await client.EnsureRootProviderAsync(Service, Uuid, Name, Never))[Uuid].Traits);
        time.Advance(TimeSpan.FromSeconds(2));
        Cloud.Placement.ForgetRequests();
        Assert.Equal(["CUSTOM_RACK_7"], (await client.EnsureRootProviderAsync(Service, Uuid, Name, Never))[Uuid].Traits);
        Assert.Equal(
            ["GET /resource_providers", $"GET /resource_providers/{Uuid}/inventories", $"GET /resource_providers/{Uuid}/aggregates", $"GET /resource_providers/{Uuid}/traits"],
            Lines);
    }

    [Fact]
    public async Task GenerationConflictReadsAgainAndSucceeds()
    {
        var client = Client();
        await Update(client);
        Cloud.Placement.ChangeProvider(Uuid, p => p.Traits.Add("CUSTOM_RACK_7"));
        await Update(client, inventories: new() { ["VCPU"] = new(8) });
        Assert.Equal(8, (int)Provider.Inventories["VCPU"]["total"]!);
        Assert.Contains("CUSTOM_RACK_7", Provider.Traits);
        Assert.Contains(Cloud.Placement.Requests, r => r.Status == 409);
    }

    [Fact]
    public async Task EndlessConflictEndsAfterFourAttempts()
    {
        Cloud.Placement.Faults.Add(Fault.Answer(409, "PUT", "/inventories"));
        await Assert.ThrowsAsync<ProviderUpdateConflictException>(() => Update(Client()));
        Assert.Equal(4, Cloud.Placement.Requests.Count(r => r.Status == 409));
    }

    [Fact]
    public async Task InventoryInUseIsReportedAndNotRepeated()
    {
        var client = Client();
        await Update(client);
        Cloud.Placement.Allocate("c0000000-0000-0000-0000-000000000001", Uuid, "p", "u", ("VCPU", 1), ("MEMORY_MB", 64));
        client.Forget(Uuid);
        var failure = await Assert.ThrowsAsync<InventoryInUseException>(() => Update(client, inventories: new() { ["VCPU"] = new(4) }));
        Assert.Contains("MEMORY_MB", failure.Message, StringComparison.Ordinal);
        Assert.Single(Cloud.Placement.Requests, r => r.Status == 409);
    }

    [Fact]
    public async Task NameOfAnotherNodeIsAnErrorThatSaysWhatToDo()
    {
        Cloud.Placement.AddProvider("bbbbbbbb-39a3-4bc0-ab26-54bb7d2a9117", Name);
        var failure = await Assert.ThrowsAsync<ProviderNameConflictException>(() => Client().EnsureRootProviderAsync(Service, Uuid, Name, Never));
        Assert.Contains("compute_id", failure.Message, StringComparison.Ordinal);
        Assert.Contains(Uuid, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task LostAnswerOfTheCreationIsNotAnError()
    {
        Cloud.Placement.Faults.Add(Fault.Answer(429, "POST", times: 1) with { AfterEffect = true });
        var tree = await Awaiting(Client().EnsureRootProviderAsync(Service, Uuid, Name, Never));
        Assert.True(tree.Contains(Uuid));
        Assert.Equal([429, 409], Cloud.Placement.Requests.Where(r => r.Method == "POST").Select(r => r.Status));
    }

    [Fact]
    public async Task CustomTraitsAndResourceClassesAreCreated()
    {
        await Update(Client(), inventories: new() { ["VCPU"] = new(4), ["CUSTOM_GPU"] = new(2) });
        Assert.Contains("CUSTOM_GPU", Provider.Inventories.Keys);
        Assert.Contains("PUT /resource_classes/CUSTOM_GPU", Lines);
        Assert.Contains("PUT /traits/CUSTOM_SYSTEM_CONTAINER", Lines);
        Assert.DoesNotContain("PUT /resource_classes/VCPU", Lines);
    }

    [Fact]
    public async Task StandardTraitThatAnOlderPlacementDoesNotKnowIsLeftOut()
    {
        await Update(Client(), traits: ["COMPUTE_NODE", "COMPUTE_FROM_THE_FUTURE"]);
        Assert.Contains("COMPUTE_NODE", Provider.Traits);
        Assert.DoesNotContain("COMPUTE_FROM_THE_FUTURE", Provider.Traits);
        Assert.DoesNotContain("PUT /traits/COMPUTE_FROM_THE_FUTURE", Lines);
    }

    [Fact]
    public async Task ChildProvidersAreCreatedAfterTheirParentsAndDeletedBeforeThem()
    {
        const string Child = "dddddddd-39a3-4bc0-ab26-54bb7d2a9117", Grandchild = "eeeeeeee-39a3-4bc0-ab26-54bb7d2a9117";
        var client = Client();
        await Awaiting(client.UpdateAsync(Service, Uuid, Name, t => t
            .With(new ResourceProvider(Grandchild, "pf", Child))
            .With(new ResourceProvider(Child, "numa0", Uuid)), Never));
        Assert.Equal(Child, Cloud.Placement.Providers[Grandchild].Parent);
        await Awaiting(client.UpdateAsync(Service, Uuid, Name, t => t.Without(Child), Never));
        Assert.Equal([Uuid], Cloud.Placement.Providers.Keys);
    }

    [Fact]
    public async Task SharingProvidersOfTheAggregatesAreInTheTreeAndLeftAlone()
    {
        const string Shared = "55555555-39a3-4bc0-ab26-54bb7d2a9117", Aggregate = "aaaaaaaa-0000-0000-0000-000000000001";
        var client = Client();
        await Update(client);
        Cloud.Placement.AddProvider(Shared, "nfs");
        Cloud.Placement.ChangeProvider(Shared, p =>
        {
            p.Traits.Add("MISC_SHARES_VIA_AGGREGATE");
            p.Aggregates.Add(Aggregate);
        });
        Cloud.Placement.ChangeProvider(Uuid, p => p.Aggregates.Add(Aggregate));
        client.Forget(Uuid);
        var tree = await Update(client);
        Assert.True(tree[Shared].IsSharing);
        Assert.Equal(1, Cloud.Placement.Providers[Shared].Generation);
    }

    [Fact]
    public async Task ProviderWithAllocationsIsNotDeleted()
    {
        var client = Client();
        await Update(client);
        Cloud.Placement.Allocate("c0000000-0000-0000-0000-000000000001", Uuid, "p", "u", ("VCPU", 1));
        await Assert.ThrowsAsync<ProviderInUseException>(() => client.DeleteProviderTreeAsync(Service, Uuid, Never));
        await Start().GetRequiredService<PlacementAllocations>().DeleteAllocationsAsync(Service, "c0000000-0000-0000-0000-000000000001", Never);
        await client.DeleteProviderTreeAsync(Service, Uuid, Never);
        await client.DeleteProviderTreeAsync(Service, Uuid, Never);
        Assert.Empty(Cloud.Placement.Providers);
    }

    [Fact]
    public async Task ProviderDeletedBehindOurBackIsCreatedAgain()
    {
        var client = Client();
        await Update(client);
        await Client().DeleteProviderTreeAsync(Service, Uuid, Never);
        time.Advance(TimeSpan.FromSeconds(301));
        await Update(client);
        Assert.Equal(4, (int)Provider.Inventories["VCPU"]["total"]!);
    }

    [Fact]
    public async Task ProviderDeletedSinceWeReadItFailsOneUpdateOnly()
    {
        var client = Client();
        await Update(client);
        await Client().DeleteProviderTreeAsync(Service, Uuid, Never);
        await Assert.ThrowsAsync<OpenStackHttpException>(() => Update(client, inventories: new() { ["VCPU"] = new(9) }));
        await Update(client, inventories: new() { ["VCPU"] = new(9) });
        Assert.Equal(9, (int)Provider.Inventories["VCPU"]["total"]!);
    }

    [Fact]
    public async Task TwoUpdatesAtOnceDoNotCollide()
    {
        var client = Client();
        await Task.WhenAll(
            Enumerable.Range(1, 8).Select(i => Update(client, inventories: new() { ["VCPU"] = new(i) })));
        Assert.DoesNotContain(Cloud.Placement.Requests, r => r.Status == 409);
    }
}
