using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.FunctionalTests;

/// <summary>The neighbours fail during builds, deletes and periodic tasks; for what only a build asks of them see <see cref="BuildFailureTests"/>.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class NeighbourTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;

    public async Task InitializeAsync() => _site = await ComputeSite.StartAsync(broker.Rabbit,
        ["periodic_fuzzy_delay = 0", "report_interval = 1", "update_resources_interval = 1", "sync_power_state_interval = 1", "heal_instance_info_cache_interval = 1", "rpc_response_timeout = 20"]);

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Theory]
    [InlineData("Placement answers 500")]
    [InlineData("Placement answers 503")]
    [InlineData("Placement is down")]
    [InlineData("Placement answers 409")]
    [InlineData("Keystone answers 500")]
    [InlineData("Keystone is down")]
    [InlineData("Neutron answers 503")]
    [InlineData("Neutron answers 409")]
    [InlineData("Neutron is down")]
    [InlineData("the conductor fails the save")]
    [InlineData("the conductor fails the destroy")]
    [InlineData("the conductor is silent at the destroy")]
    public async Task ADeleteThatFailsIsAnErrorThatCanBeRepeated(string fault)
    {
        var server = await _site.CreateActiveAsync();
        await BreakAsync(fault);

        Assert.Equal("Error", await _site.DeleteAsync(server));

        await AssertReadableErrorAsync(server);
        await MendAsync();
        Assert.Equal("Success", await _site.DeleteAsync(server));
        Assert.True((bool?)(await _site.RowAsync(server))["deleted"]);
        await _site.AssertGoneAsync(server);
    }

    [Theory]
    [InlineData("Keystone answers 500")]
    [InlineData("Keystone is down")]
    [InlineData("Neutron answers 409")]
    [InlineData("Neutron answers 503")]
    [InlineData("Neutron is down")]
    [InlineData("Glance answers 503")]
    [InlineData("Glance is down")]
    [InlineData("the conductor fails the networking")]
    [InlineData("the conductor fails the spawning")]
    [InlineData("the conductor is silent at the spawning")]
    public async Task ABuildThatFailsIsAnErrorThatLeavesNothing(string fault)
    {
        var image = _site.AddImage();
        await BreakAsync(fault);

        var server = await _site.CreateAsync(new ServerRequest { ImageId = image });
        await _site.FinishedAsync(server.RequestId);

        await AssertReadableErrorAsync(server);
        await MendAsync();
        Assert.Equal("Success", await _site.DeleteAsync(server));
        await _site.AssertGoneAsync(server);
        Assert.Equal("Success", await _site.DeleteAsync(await _site.CreateActiveAsync(new ServerRequest { ImageId = image })));
    }

    /// <summary>What a build takes is claimed by the scheduler, and reported when Placement is back.</summary>
    [Fact]
    public async Task ABuildNeedsNoPlacement()
    {
        await BreakAsync("Placement is down");
        var server = await _site.CreateActiveAsync();
        await MendAsync();
        Assert.Equal("Success", await _site.DeleteAsync(server));
        await _site.AssertGoneAsync(server);
    }

    [Fact]
    public async Task SlowNeighboursAreWaitedFor()
    {
        foreach (var service in Services())
        {
            service.Faults.Add(new Fault { Delay = TimeSpan.FromMilliseconds(300) });
        }

        _site.Plane.Interfere = (_, _) => Task.Delay(100);
        var server = await _site.CreateActiveAsync();
        Assert.Equal("Success", await _site.DeleteAsync(server));
        await _site.AssertGoneAsync(server);
    }

    [Theory]
    [InlineData("Placement answers 500", "update_available_resource")]
    [InlineData("Placement is down", "update_available_resource")]
    [InlineData("Neutron answers 500", "_heal_instance_info_cache")]
    [InlineData("the conductor fails everything", "_sync_power_states")]
    public async Task APeriodicTaskThatFailsHarmsNobodyAndComesAgain(string fault, string task)
    {
        var server = await _site.CreateActiveAsync();
        await BreakAsync(fault);
        await _site.UntilAsync($"{task} has failed", () => Task.FromResult(_site.Log().Contains($"Periodic task {task} did not succeed", StringComparison.Ordinal)));

        Assert.Single(_site.Guests());
        Assert.True(ComputeSite.TapExists((string)Assert.Single(_site.Ports(server))["id"]!));
        await Command.RunAsync("kill", "-9", $"{Assert.Single(_site.Guests())}");
        await MendAsync();

        // The end of the guest is seen although it may have come while nobody could be told.
        await _site.StateAsync(server, "stopped");
        var reported = Reports();
        await _site.UntilAsync("the service says that it is alive", () => Task.FromResult(Reports() > reported));
        Assert.Equal("Success", await _site.ActAsync(server, "start_instance", "powering-on"));
        Assert.Equal("Success", await _site.DeleteAsync(server));
        await _site.AssertGoneAsync(server);
    }

    private async Task AssertReadableErrorAsync(Server server)
    {
        await _site.StateAsync(server, "error");
        Assert.Contains(' ', _site.Fault(server));
        Assert.DoesNotContain("Exception", _site.Fault(server), StringComparison.Ordinal);
        Assert.Empty(_site.Guests());
    }

    private async Task BreakAsync(string fault)
    {
        var service = Services().FirstOrDefault(s => fault.StartsWith(s.Name, StringComparison.OrdinalIgnoreCase));
        switch (fault.Split(' ')[^1])
        {
            case "down":
                await service!.GoDownAsync();
                break;
            case var request when fault.StartsWith("the conductor is silent", StringComparison.Ordinal):
                _ = _site.Plane.HoldConductor((name, args) => IsRequest(request, name, args));
                break;
            case var request when fault.StartsWith("the conductor fails", StringComparison.Ordinal):
                _site.Plane.Interfere = (name, args) => IsRequest(request, name, args) ? throw DatabaseIsAway() : Task.CompletedTask;
                break;
            case var status:
                service!.Faults.Add(Fault.Answer(int.Parse(status, System.Globalization.CultureInfo.InvariantCulture)));
                break;
        }

        if (service == _site.Plane.Cloud.Keystone)
        {
            _site.Plane.Cloud.Keystone.RevokeAll(); // else nobody would ask it
        }
    }

    /// <summary>Whether the request to the conductor is the one that a fault speaks of.</summary>
    private static bool IsRequest(string word, string name, JObject args) => word switch
    {
        "everything" => true,
        "destroy" => name == "Instance.destroy",
        "save" => name == "Instance.save" && Saved(args, "vm_state") == "deleted",
        _ => name == "Instance.save" && Saved(args, "task_state") == word,
    };

    private static string? Saved(JObject args, string field) => (string?)args["objinst"]!["nova_object.data"]![field];

    private async Task MendAsync()
    {
        _site.Plane.Interfere = null;
        foreach (var service in Services())
        {
            service.Faults.Clear();
            await service.GoDownAsync();
            await service.ComeUpAsync();
        }
    }

    private FakeService[] Services() =>
        [_site.Plane.Cloud.Keystone, _site.Plane.Cloud.Placement, _site.Plane.Cloud.Neutron, _site.Plane.Cloud.Glance];

    private int? Reports() => _site.Plane.Conductor.Locked(c => (int?)c.Services.Single()["report_count"]);

    private static ConductorFailureException DatabaseIsAway() =>
        new("oslo_db.exception", "DBConnectionError", "Lost connection to the database server", new JObject());
}
