using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.FunctionalTests;

/// <summary>
/// kill -9 of the service, in each phase of a build and of a delete too: guests do not notice, and the next start brings everything to a state that is
/// true.
/// </summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class KillTests(Broker broker) : IAsyncLifetime
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(10);
    private ComputeSite _site = null!;

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, run: false);
        _site.Program.Start();
        await _site.ProgramServesAsync();
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task AGuestRunsOnAndCanBeManagedAfterwards()
    {
        var server = await _site.CreateActiveAsync();
        var init = Assert.Single(_site.Guests());

        await _site.Program.KillAsync();
        Assert.Equal(init, Assert.Single(_site.Guests()));
        await _site.RestartProgramAsync();

        Assert.Equal(init, Assert.Single(_site.Guests()));
        Assert.Equal("active", (string?)(await _site.RowAsync(server))["vm_state"]);
        await _site.UntilAsync("the console has the guest's greeting", async () => ((string?)await _site.CallAsync(
            server, "get_console_output", new() { ["tail_length"] = null }))!.Contains(BusyboxImage.Greeting, StringComparison.Ordinal));
        Assert.Equal("Success", await _site.DeleteAsync(server));
        Assert.Empty(_site.Guests());
    }

    [Fact]
    public async Task AKilledStopIsFinished()
    {
        var server = await _site.CreateActiveAsync();
        await _site.Program.KillAsync();
        _site.Plane.Conductor.Locked(c => c.Instances[server.Uuid]["task_state"] = "powering-off");

        await _site.RestartProgramAsync();

        await _site.StateAsync(server, "stopped");
        Assert.Empty(_site.Guests());
    }

    /// <summary>Before the claim the instance is not this host's: nobody but the API, which deletes it without us, is to do anything.</summary>
    [Fact]
    public async Task ABuildKilledBeforeItsClaimLeavesNothingHere()
    {
        var held = _site.Plane.HoldConductor((name, _) => name == "Instance.save");
        var server = await _site.CreateAsync(new ServerRequest { ImageId = _site.AddImage() });
        await _site.UntilAsync("the instance is being taken over", () => Task.FromResult(held.IsCompleted));

        await _site.Program.KillAsync();
        await _site.RestartProgramAsync();

        Assert.Equal(("building", "scheduling", null), await StateAsync(server));
        Assert.Empty(_site.Ports(server));
        Assert.Empty(_site.Guests());
    }

    [Theory]
    [InlineData("claimed")]
    [InlineData("a port is made")]
    [InlineData("ports allocated")]
    [InlineData("image downloading")]
    [InlineData("root disk being made")]
    [InlineData("interfaces plugged")]
    [InlineData("launched but not saved")]
    public async Task AKilledBuildIsAnErrorThatSaysSoAndCanBeDeleted(string phase)
    {
        var image = _site.AddImage();
        var reached = HoldBuild(phase);
        var server = await _site.CreateAsync(new ServerRequest { ImageId = image, EphemeralGb = 1 });
        await _site.UntilAsync(phase, () => Task.FromResult(reached(server)));

        await _site.Program.KillAsync();
        _site.Plane.Interfere = null;
        await _site.RestartProgramAsync();

        Assert.Equal(("error", null, _site.Mark), await StateAsync(server));
        Assert.Contains("interrupted", _site.Fault(server), StringComparison.Ordinal);
        Assert.Equal("Success", await _site.DeleteAsync(server));
        Assert.Empty(_site.Guests());
        await _site.AssertNothingLeftAsync(server);

        _site.Plane.AgentAlive = true;
        await _site.CreateActiveAsync(new ServerRequest { ImageId = image });
    }

    [Fact]
    public async Task ABuildKilledAfterItsLastSaveIsActive()
    {
        var held = _site.Plane.HoldConductor((name, _) => name == "ComputeNode.save" && AnyActive());
        var server = await _site.CreateAsync(new ServerRequest { ImageId = _site.AddImage() });
        await _site.UntilAsync("the last save is done", () => Task.FromResult(held.IsCompleted));
        var init = Assert.Single(_site.Guests());

        await _site.Program.KillAsync();
        await _site.RestartProgramAsync();

        Assert.Equal(("active", null, _site.Mark), await StateAsync(server));
        Assert.Equal(init, Assert.Single(_site.Guests()));
        Assert.Equal("Success", await _site.DeleteAsync(server));
        await _site.AssertNothingLeftAsync(server);
    }

    [Theory]
    [InlineData("before the stop")]
    [InlineData("container stopping")]
    [InlineData("container gone")]
    [InlineData("ports being released")]
    [InlineData("ports released")]
    [InlineData("record says deleted")]
    [InlineData("allocation gone")]
    [InlineData("row gone")]
    public async Task AKilledDeleteIsFinished(string phase)
    {
        var server = await _site.CreateActiveAsync();
        var reached = HoldDelete(phase);
        await _site.SendAsync(server, "terminate_instance", "deleting", ComputeSite.Bdms());
        await _site.UntilAsync(phase, () => Task.FromResult(reached()));

        await _site.Program.KillAsync();
        _site.Plane.Interfere = null;
        await _site.RestartProgramAsync();

        await _site.UntilAsync("the row is gone", async () => (bool?)(await _site.RowAsync(server))["deleted"] == true);
        Assert.Empty(_site.Guests());
        await _site.AssertNothingLeftAsync(server);
    }

    /// <summary>Stops the build in a phase and tells whether it is there.</summary>
    private Func<Server, bool> HoldBuild(string phase)
    {
        switch (phase)
        {
            case "a port is made":
                _site.Plane.Cloud.Neutron.Faults.Add(new Fault("PUT", "/v2.0/ports") { Delay = Long, Times = 1 });
                return _ => Asked(_site.Plane.Cloud.Neutron, "PUT", "/v2.0/ports");
            case "image downloading":
                _site.Plane.Cloud.Glance.Faults.Add(new Fault("GET", "/file") { Delay = Long, Times = 1 });
                return _ => Asked(_site.Plane.Cloud.Glance, "GET", "/file");
            case "root disk being made":
                _site.Plane.AgentAlive = false; // however late it is killed, it has not gone on
                return server => Directory.EnumerateFileSystemEntries(_site.StateFolder, $"*{server.Uuid}*", SearchOption.AllDirectories).Any();
            case "interfaces plugged":
                _site.Plane.AgentAlive = false;
                return server => _site.Ports(server).Any(p => ComputeSite.TapExists((string)p["id"]!));
            default:
                var (field, value) = phase switch
                {
                    "claimed" => ("task_state", "networking"),
                    "ports allocated" => ("task_state", "block_device_mapping"),
                    _ => ("vm_state", "active"),
                };
                var held = _site.Plane.HoldConductor((name, args) =>
                    name == "Instance.save" && (string?)args["objinst"]!["nova_object.data"]![field] == value);
                return _ => held.IsCompleted;
        }
    }

    private Func<bool> HoldDelete(string phase)
    {
        switch (phase)
        {
            case "container stopping":
                return () => _site.Guests().Count == 0;
            case "container gone":
                _site.Plane.Cloud.Neutron.ForgetRequests();
                _site.Plane.Cloud.Neutron.Faults.Add(new Fault("GET", "/v2.0/ports") { Delay = Long, Times = 1 });
                return () => _site.Guests().Count == 0 && Asked(_site.Plane.Cloud.Neutron, "GET", "/v2.0/ports");
            case "ports being released":
                _site.Plane.Cloud.Neutron.Faults.Add(new Fault("DELETE", "/v2.0/ports") { Delay = Long, Times = 1 });
                return () => Asked(_site.Plane.Cloud.Neutron, "DELETE", "/v2.0/ports");
            case "record says deleted":
                _site.Plane.Cloud.Placement.Faults.Add(new Fault("DELETE", "/allocations") { Delay = Long, Times = 1 });
                return () => Asked(_site.Plane.Cloud.Placement, "DELETE", "/allocations");
            default:
                var request = phase switch
                {
                    "before the stop" => "InstanceActionEvent.event_start",
                    "ports released" => "VirtualInterface.delete_by_instance_uuid",
                    "allocation gone" => "Instance.destroy",
                    _ => "InstanceActionEvent.event_finish_with_failure",
                };
                var held = _site.Plane.HoldConductor((name, _) => name == request);
                return () => held.IsCompleted;
        }
    }

    private static bool Asked(FakeService service, string method, string path) =>
        service.Requests.Any(r => r.Method == method && r.Path.Contains(path, StringComparison.Ordinal));

    private bool AnyActive() => _site.Plane.Conductor.Locked(c => c.Instances.Values.Any(i => (string?)i["vm_state"] == "active"));

    private async Task<(string? VmState, string? TaskState, string? Host)> StateAsync(Server server)
    {
        JObject row = await _site.RowAsync(server);
        return ((string?)row["vm_state"], (string?)row["task_state"], (string?)row["host"]);
    }
}
