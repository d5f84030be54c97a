using NovaLxd.FunctionalTests.Site;

namespace NovaLxd.FunctionalTests;

/// <summary>The service as a program, killed by -9 and started again: the instances are as Nova leaves them, and guests do not notice.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class RestartTests(Broker broker) : IAsyncLifetime
{
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
        var console = (string?)await _site.CallAsync(server, "get_console_output", new() { ["tail_length"] = null });
        Assert.Contains(BusyboxImage.Greeting, console, StringComparison.Ordinal);
        Assert.Equal("Success", await _site.DeleteAsync(server));
        Assert.Empty(_site.Guests());
    }

    [Fact]
    public async Task AnInterruptedBuildIsAnErrorThatCanBeDeleted()
    {
        _site.Plane.AgentAlive = false;
        var server = await _site.CreateAsync(new ServerRequest { ImageId = _site.AddImage() });
        await _site.UntilAsync("the port is plugged", () => Task.FromResult(_site.Ports(server).Any(p => ComputeSite.TapExists((string)p["id"]!))));

        await _site.Program.KillAsync();
        await _site.RestartProgramAsync();

        await _site.StateAsync(server, "error");
        await DeleteAsync(server);
    }

    [Fact]
    public async Task AnInterruptedDownloadLeavesNothingBehind()
    {
        var image = _site.AddImage();
        _site.Plane.Cloud.Glance.Faults.Add(new TestCloud.Http.Fault("GET", "/file") { Delay = TimeSpan.FromMinutes(5), Times = 1 });
        var server = await _site.CreateAsync(new ServerRequest { ImageId = image });
        await _site.UntilAsync("the image is asked for", () => Task.FromResult(
            _site.Plane.Cloud.Glance.Requests.Any(r => r.Path.EndsWith("/file", StringComparison.Ordinal))));

        await _site.Program.KillAsync();
        await _site.RestartProgramAsync();
        await _site.StateAsync(server, "error");
        await DeleteAsync(server);

        await _site.CreateActiveAsync(new ServerRequest { ImageId = image });
    }

    [Fact]
    public async Task AnInterruptedDeleteIsFinished()
    {
        var server = await _site.CreateActiveAsync();
        _site.Plane.Cloud.Neutron.Faults.Add(new TestCloud.Http.Fault("DELETE", "/v2.0/ports") { Delay = TimeSpan.FromMinutes(5), Times = 1 });
        await _site.SendAsync(server, "terminate_instance", "deleting", ComputeSite.Bdms());
        await _site.UntilAsync("the port is being deleted", () => Task.FromResult(_site.Plane.Cloud.Neutron.Requests.Any(r => r.Method == "DELETE")));

        await _site.Program.KillAsync();
        await _site.RestartProgramAsync();

        await _site.UntilAsync("the row is gone", async () => (bool?)(await _site.RowAsync(server))["deleted"] == true);
        Assert.Empty(_site.Ports(server));
        Assert.Empty(_site.Guests());
        Assert.DoesNotContain(_site.Plane.PortsSeen, ComputeSite.TapExists);
        Assert.DoesNotContain(server.Uuid, _site.Plane.Cloud.Placement.Consumers.Keys);
    }

    [Fact]
    public async Task AnInterruptedStopIsFinished()
    {
        var server = await _site.CreateActiveAsync();
        await _site.Program.KillAsync();
        _site.Plane.Conductor.Locked(c => c.Instances[server.Uuid]["task_state"] = "powering-off");

        await _site.RestartProgramAsync();

        await _site.StateAsync(server, "stopped");
        Assert.Empty(_site.Guests());
    }

    private async Task DeleteAsync(Server server)
    {
        Assert.Equal("Success", await _site.DeleteAsync(server));
        Assert.Empty(_site.Ports(server));
        Assert.DoesNotContain(_site.Plane.PortsSeen, ComputeSite.TapExists);
        Assert.Empty(_site.Guests());
    }
}
