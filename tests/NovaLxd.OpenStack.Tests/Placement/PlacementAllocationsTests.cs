using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.OpenStack.Placement;
using NovaLxd.OpenStack.Placement.Models;
using NovaLxd.TestCloud.Http;
using NovaLxd.TestCloud.Placement;

namespace NovaLxd.OpenStack.Tests.Placement;

public sealed class PlacementAllocationsTests : CloudTest
{
    private const string Here = "9aedf423-39a3-4bc0-ab26-54bb7d2a9117";
    private const string There = "65ad26f0-7712-4cbb-81c6-914961c6deb4";
    private const string Instance = "cebaf234-4e02-46b8-af4f-80a117edfcc0";
    private const string Migration = "d50388bd-3c28-4773-87db-04f0352be659";

    private PlacementAllocations allocations = null!;

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        foreach (var (uuid, name) in new[] { (Here, "cmp1"), (There, "cmp2") })
        {
            Cloud.Placement.AddProvider(uuid, name);
            Cloud.Placement.ChangeProvider(uuid, p =>
            {
                foreach (var resourceClass in new[] { "VCPU", "MEMORY_MB", "NET_BW_EGR_KILOBIT_PER_SEC" })
                    p.Inventories[resourceClass] = JObject.Parse("""{"total":1000,"reserved":0,"min_unit":1,"max_unit":1000,"step_size":1,"allocation_ratio":1.0}""");
            });
        }

        allocations = Start().GetRequiredService<PlacementAllocations>();
    }

    private FakeConsumer? Consumer(string uuid) => Cloud.Placement.Consumers.GetValueOrDefault(uuid);

    private void Allocate(string consumer, string provider, int vcpu) => Cloud.Placement.Allocate(consumer, provider, "p", "u", ("VCPU", vcpu), ("MEMORY_MB", 64));

    private static Dictionary<string, AllocatedResources> Bandwidth(int amount) =>
        new() { [Here] = new(new Dictionary<string, int> { ["NET_BW_EGR_KILOBIT_PER_SEC"] = amount }) };

    [Fact]
    public async Task ConsumerThatPlacementDoesNotKnowHasNothing()
    {
        var none = await allocations.GetAllocationsForConsumerAsync(Service, Instance, Never);
        Assert.True(none.IsEmpty);
        Assert.Null(none.ConsumerGeneration);
    }

    [Fact]
    public async Task AllocationsOfAProviderAreListedByConsumer()
    {
        Allocate(Instance, Here, 2);
        Allocate(Migration, There, 1);
        var here = await allocations.GetAllocationsForProviderAsync(Service, Here, Never);
        Assert.Equal(2, here[Instance].Resources["VCPU"]);
        Assert.Single(here);
    }

    [Fact]
    public async Task DeletingTellsWhetherThereWasSomething()
    {
        Allocate(Instance, Here, 2);
        Assert.True(await allocations.DeleteAllocationsAsync(Service, Instance, Never));
        Assert.False(await allocations.DeleteAllocationsAsync(Service, Instance, Never));
        Assert.Null(Consumer(Instance));
    }

    [Fact]
    public async Task GentleRemovalGivesWayToAChangeMadeMeanwhile()
    {
        Allocate(Instance, Here, 2);
        Cloud.Placement.Faults.Add(new Fault("PUT")
        {
            Status = 409,
            Body = """{"errors":[{"status":409,"title":"Conflict","code":"placement.concurrent_update","detail":"consumer generation conflict - expected 2 but got 1"}]}""",
        });
        await Assert.ThrowsAsync<AllocationConflictException>(() => allocations.RemoveAllocationsGentlyAsync(Service, Instance, Never));
        Assert.Single(Cloud.Placement.Requests, r => r.Method == "PUT");
        Cloud.Placement.Faults.Clear();
        Assert.True(await allocations.RemoveAllocationsGentlyAsync(Service, Instance, Never));
        Assert.False(await allocations.RemoveAllocationsGentlyAsync(Service, Instance, Never));
        Assert.Null(Consumer(Instance));
    }

    [Fact]
    public async Task ProviderConflictIsRepeated()
    {
        Allocate(Instance, Here, 2);
        Cloud.Placement.Faults.Add(new Fault("PUT")
        {
            Status = 409,
            Times = 3,
            Body = """{"errors":[{"status":409,"title":"Conflict","code":"placement.concurrent_update","detail":"resource provider generation conflict"}]}""",
        });
        Assert.True(await allocations.RemoveAllocationsGentlyAsync(Service, Instance, Never));
        Assert.Equal(4, Cloud.Placement.Requests.Count(r => r.Method == "PUT"));
    }

    [Fact]
    public async Task RevertMovesTheMigrationsAllocationsBack()
    {
        Allocate(Migration, Here, 2);
        Allocate(Instance, There, 3);
        Assert.True(await allocations.MoveAllocationsAsync(Service, Migration, Instance, Never));
        Assert.Null(Consumer(Migration));
        Assert.Equal([Here], Consumer(Instance)!.Allocations.Keys);
        Assert.Equal(2, Consumer(Instance)!.Allocations[Here]["VCPU"]);
        // Done again, as after a restart in the middle: nothing is lost.
        Assert.True(await allocations.MoveAllocationsAsync(Service, Migration, Instance, Never));
        Assert.Equal(2, Consumer(Instance)!.Allocations[Here]["VCPU"]);
    }

    [Fact]
    public async Task MovingToANewConsumerWorksAndMovingNothingSaysSo()
    {
        Allocate(Migration, Here, 2);
        Assert.True(await allocations.MoveAllocationsAsync(Service, Migration, Instance, Never));
        Assert.Equal(2, Consumer(Instance)!.Allocations[Here]["VCPU"]);
        Assert.False(await allocations.MoveAllocationsAsync(Service, Migration, "00000000-0000-0000-0000-000000000009", Never));
    }

    [Fact]
    public async Task EvacuatedInstanceKeepsWhatItHasElsewhere()
    {
        Cloud.Placement.Allocate(Instance, Here, "p", "u", ("VCPU", 2));
        await allocations.AddResourcesAsync(Service, Instance, new Dictionary<string, AllocatedResources> { [There] = new(new Dictionary<string, int> { ["VCPU"] = 2 }) }, Never);
        Assert.True(await allocations.RemoveProviderTreeFromAllocationAsync(Service, Instance, Here, Never));
        Assert.Equal([There], Consumer(Instance)!.Allocations.Keys);
        Assert.False(await allocations.RemoveProviderTreeFromAllocationAsync(Service, Instance, Here, Never));
    }

    [Fact]
    public async Task ResourcesOfAPortAreAddedAndTakenAway()
    {
        Allocate(Instance, Here, 2);
        await allocations.AddResourcesAsync(Service, Instance, Bandwidth(100), Never);
        await allocations.AddResourcesAsync(Service, Instance, Bandwidth(50), Never);
        Assert.Equal(150, Consumer(Instance)!.Allocations[Here]["NET_BW_EGR_KILOBIT_PER_SEC"]);
        await allocations.RemoveResourcesAsync(Service, Instance, Bandwidth(150), Never);
        Assert.Equal(["MEMORY_MB", "VCPU"], Consumer(Instance)!.Allocations[Here].Keys.Order());
        await Assert.ThrowsAsync<InvalidOperationException>(() => allocations.RemoveResourcesAsync(Service, Instance, Bandwidth(1), Never));
    }

    [Fact]
    public async Task AddingReadsAgainAfterAConsumerConflict()
    {
        Allocate(Instance, Here, 2);
        Cloud.Placement.Faults.Add(new Fault("PUT")
        {
            Status = 409,
            Times = 1,
            Body = """{"errors":[{"status":409,"title":"Conflict","code":"placement.concurrent_update","detail":"consumer generation conflict - expected 2 but got 1"}]}""",
        });
        await allocations.AddResourcesAsync(Service, Instance, Bandwidth(100), Never);
        Assert.Equal(100, Consumer(Instance)!.Allocations[Here]["NET_BW_EGR_KILOBIT_PER_SEC"]);
        Assert.Equal(2, Cloud.Placement.Requests.Count(r => r.Method == "GET"));
    }

    [Fact]
    public async Task FullProviderIsReportedWithPlacementsSentence()
    {
        Allocate(Instance, Here, 2);
        var failure = await Assert.ThrowsAsync<OpenStackHttpException>(() => allocations.AddResourcesAsync(Service, Instance, Bandwidth(5000), Never));
        Assert.Contains("exceed the capacity", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
        Assert.Equal("placement.undefined_code", failure.Code);
    }
}
