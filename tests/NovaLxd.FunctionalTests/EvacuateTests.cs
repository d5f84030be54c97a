using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Http;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests;

/// <summary>Servers of a host that has failed come to this one, and the host that had failed comes back.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class EvacuateTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;

    public async Task InitializeAsync() => _site = await ComputeSite.StartAsync(broker.Rabbit);

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task AServerThatRanRunsHereWithItsPort()
    {
        var server = _site.NewServerElsewhere();
        var port = Assert.Single(_site.Ports(server));
        var statuses = new List<string?>();
        _site.Plane.Interfere = (name, args) =>
        {
            if (name == "Migration.save")
            {
                statuses.Add((string?)args["objinst"]!["nova_object.data"]!["status"]);
            }

            return Task.CompletedTask;
        };

        Assert.Equal("Success", await _site.EvacuateAsync(server));

        await AssertHereAsync(server, "active", 1, ContainerState.Running);
        Assert.Equal(["pre-migrating", "done"], statuses);
        Assert.Equal(
            [
                "active/<", // the claim
                "active/rebuilding<rebuilding", "active/rebuild_block_device_mapping<rebuilding", "active/rebuild_spawning<rebuild_block_device_mapping",
                "active/<rebuild_spawning", "active/<",
            ],
            _site.Plane.Saves.Where(s => s.Uuid == server.Uuid).Select((s, i) => $"{s.VmState}/{(i == 0 ? null : s.TaskState)}<{s.ExpectedTaskState}"));
        var kept = Assert.Single(_site.Ports(server));
        Assert.Equal((port["id"], port["mac_address"], port["fixed_ips"]!.ToString()), (kept["id"], kept["mac_address"], kept["fixed_ips"]!.ToString()));
        Assert.Contains(_site.Plane.Cloud.Neutron.Requests, r => r.Method == "PUT" && r.Body.Contains("migrating_to", StringComparison.Ordinal));
        Assert.Equal((1, 64, 1), _site.Used());

        // A request that comes a second time leaves the guest of the first one alone.
        var init = Assert.Single(_site.Guests());
        var again = await _site.SendAsync(server, "rebuild_instance", null, new JObject { ["recreate"] = true });
        Assert.Equal("Success", await _site.RebuiltAsync(server, again));
        Assert.Equal(init, Assert.Single(_site.Guests()));
        Assert.Equal("Success", await _site.DeleteAsync(server));
        await _site.AssertGoneAsync(server);
    }

    [Theory]
    [InlineData("stopped", null)]
    [InlineData("active", "stopped")] // from 2023.1 on, where the user asks for it
    public async Task AServerThatIsToBeOffStaysSo(string vmState, string? targetState)
    {
        var server = _site.NewServerElsewhere(vmState);

        Assert.Equal("Success", await _site.EvacuateAsync(server, targetState is null ? null : new JObject { ["target_state"] = targetState }));

        await AssertHereAsync(server, "stopped", 4, ContainerState.Stopped);
        Assert.Equal("Success", await _site.ActAsync(server, "start_instance", "powering-on"));
        await AssertHereAsync(server, "active", 1, ContainerState.Running);
    }

    [Fact]
    public async Task OneThatCannotBeMadeIsAnErrorAndCanBeEvacuatedAgain()
    {
        var server = _site.NewServerElsewhere();
        _site.Plane.Cloud.Glance.Faults.Add(Fault.Answer(403, "GET", "/file", times: 1));

        Assert.Equal("Error", await _site.EvacuateAsync(server));

        await AssertElsewhereAsync(server, "error");
        Assert.Contains("Glance does not let", _site.Fault(server), StringComparison.Ordinal);
        Assert.Equal("Success", await _site.EvacuateAsync(server));
        await AssertHereAsync(server, "active", 1, ContainerState.Running);
    }

    /// <summary>One that this host has no room for is as it was, as in Nova; what the sender has wrong is an error.</summary>
    [Theory]
    [InlineData("""{"scheduled_node":"another"}""", "active", "no node another")]
    [InlineData("""{"on_shared_storage":true}""", "error", "Invalid state of instance files on shared storage")]
    public async Task WhatThisHostCannotTakeIsRefused(string more, string vmState, string reason)
    {
        var server = _site.NewServerElsewhere();

        Assert.Equal("Error", await _site.EvacuateAsync(server, JObject.Parse(more)));

        await AssertElsewhereAsync(server, vmState);
        Assert.Contains(reason, _site.Fault(server), StringComparison.Ordinal);
    }

    /// <summary>The other host is at it still, or has done it.</summary>
    [Theory]
    [InlineData("accepted")]
    [InlineData("done")]
    public async Task AHostThatComesBackRemovesWhatWasEvacuatedAndNoMore(string status)
    {
        var (server, other) = (await _site.CreateActiveAsync(), await _site.CreateActiveAsync());
        await _site.StopServiceAsync();
        var migration = _site.AddEvacuation(server, _site.Mark, _site.Node, status);
        _site.Plane.Conductor.Locked(c => c.Instances[server.Uuid]["task_state"] = status == "done" ? null : "rebuilding");
        if (status == "done")
        {
            _site.MoveRowElsewhere(server);
        }

        var before = await _site.RowAsync(server);
        await _site.StartServiceAsync();
        await _site.ServingAsync();

        Assert.Null(await _site.Driver.FindAsync(Guid.Parse(server.Uuid), default));
        Assert.Single(_site.Guests());
        Assert.Equal("completed", _site.Status(migration));
        Assert.Equal((false, status == "done"), _site.Allocations(server));
        var after = await _site.RowAsync(server);
        foreach (var field in new[] { "host", "vm_state", "task_state", "power_state" })
        {
            Assert.Equal(before[field], after[field]);
        }

        Assert.Single(_site.Ports(server));
        Assert.Empty(_site.Fault(server));
        await _site.StateAsync(other, "active");
    }

    /// <summary>Back by a move after the evacuation, or never evacuated, for the conductor failed.</summary>
    [Theory]
    [InlineData("done", "completed")]
    [InlineData("accepted", "failed")]
    public async Task AHostThatComesBackKeepsWhatIsItsOwn(string status, string becomes)
    {
        var server = await _site.CreateActiveAsync();
        await _site.StopServiceAsync();
        var migration = _site.AddEvacuation(server, _site.Mark, _site.Node, status);

        await _site.StartServiceAsync();
        await _site.ServingAsync();

        Assert.Single(_site.Guests());
        Assert.Equal(becomes, _site.Status(migration));
        Assert.True(_site.Allocations(server).Here);
        await _site.StateAsync(server, "active");
    }

    private async Task AssertHereAsync(Server server, string vmState, int power, ContainerState state)
    {
        await _site.StateAsync(server, vmState);
        var row = await _site.RowAsync(server);
        Assert.Equal((_site.Mark, _site.Node, power), ((string?)row["host"], (string?)row["node"], (int?)row["power_state"]));
        Assert.Equal(state, (await _site.ContainerAsync(server)).State);
        var port = Assert.Single(_site.Ports(server));
        Assert.Equal((_site.Mark, "{}"), ((string?)port["binding:host_id"], port["binding:profile"]!.ToString()));
        Assert.Equal("done", _site.EvacuationStatus(server));
        Assert.Equal(JTokenType.Null, _site.Plane.Conductor.Locked(c => c.Instances[server.Uuid]["migration_context"]!.Type));

        // The other host gives its share up itself, when it comes back.
        Assert.Equal((true, true), _site.Allocations(server));
    }

    private async Task AssertElsewhereAsync(Server server, string vmState)
    {
        await _site.StateAsync(server, vmState);
        Assert.Equal(Evacuations.Elsewhere, (string?)(await _site.RowAsync(server))["host"]);
        Assert.Equal("failed", _site.EvacuationStatus(server));
        Assert.Equal((false, true), _site.Allocations(server));
        Assert.Null(await _site.Driver.FindAsync(Guid.Parse(server.Uuid), default));
        Assert.Equal((0, 0, 0), _site.Used());
    }
}
