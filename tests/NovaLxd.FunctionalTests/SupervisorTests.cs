using NovaLxd.FunctionalTests.Site;

namespace NovaLxd.FunctionalTests;

/// <summary>kill -9 of the supervisor, the parent of all guests.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class SupervisorTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;

    public async Task InitializeAsync() => _site = await ComputeSite.StartAsync(broker.Rabbit);

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task GuestsRunOnAndAreManagedByTheNextOne()
    {
        var server = await _site.CreateActiveAsync();
        var init = Assert.Single(_site.Guests());

        await KillAsync();

        Assert.Equal("Success", await _site.ActAsync(server, "pause_instance", "pausing"));
        Assert.Equal("Success", await _site.ActAsync(server, "unpause_instance", "unpausing"));
        Assert.Equal(init, Assert.Single(_site.Guests()));
        var other = await _site.CreateActiveAsync();
        foreach (var one in new[] { server, other })
        {
            Assert.Equal("Success", await _site.DeleteAsync(one));
        }

        await _site.AssertGoneAsync(server);
        await _site.AssertGoneAsync(other);
    }

    [Fact]
    public async Task ABuildGoesOnWithTheNextOne()
    {
        _site.Plane.AgentAlive = false;
        var server = await _site.CreateAsync(new ServerRequest { ImageId = _site.AddImage() });
        await _site.UntilAsync("the port is plugged", () => Task.FromResult(_site.Ports(server).Any(p => ComputeSite.TapExists((string)p["id"]!))));

        await KillAsync();
        _site.Plane.AgentAlive = true;

        await _site.StateAsync(server, "active");
        Assert.Equal("Success", await _site.DeleteAsync(server));
        await _site.AssertGoneAsync(server);
    }

    /// <summary>Whether the launch got through or not: what is said of the server is so.</summary>
    [Fact]
    public async Task ALaunchThatLosesItsSupervisorEndsInTheTruth()
    {
        var server = await _site.CreateAsync(new ServerRequest { ImageId = _site.AddImage() });
        await _site.UntilAsync("the launch has begun", () => Task.FromResult(_site.GuestProcesses().Any()));

        await KillAsync();

        var result = await _site.FinishedAsync(server.RequestId);
        await _site.UntilAsync("the server has no task", async () => (string?)(await _site.RowAsync(server))["task_state"] is null);
        var row = await _site.RowAsync(server);
        if (result == "Success" && (string?)row["vm_state"] == "active")
        {
            Assert.Single(_site.Guests());
        }
        else
        {
            Assert.Equal("error", (string?)row["vm_state"]);
            Assert.Contains(' ', _site.Fault(server));
            Assert.Empty(_site.Guests());
        }

        Assert.Equal("Success", await _site.DeleteAsync(server));
        await _site.AssertGoneAsync(server);
    }

    private async Task KillAsync()
    {
        var pid = _site.SupervisorPid;
        Assert.NotNull(pid);
        await Command.RunAsync("kill", "-9", $"{pid}");
    }
}
