using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.FunctionalTests;

/// <summary>SIGTERM while something takes longer than <c>graceful_shutdown_timeout</c>: the next start takes it up.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class StopTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;

    public async Task InitializeAsync() => _site = await ComputeSite.StartAsync(broker.Rabbit, ["graceful_shutdown_timeout = 1"]);

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task ABuildThatIsCutIsAnErrorThatCanBeDeleted()
    {
        _site.Plane.AgentAlive = false;
        var server = await _site.CreateAsync(new ServerRequest { ImageId = _site.AddImage() });
        await _site.UntilAsync("the port is plugged", () => Task.FromResult(_site.Ports(server).Any(p => ComputeSite.TapExists((string)p["id"]!))));

        await RestartAsync();

        await _site.StateAsync(server, "error");
        Assert.Equal(_site.Mark, (string?)(await _site.RowAsync(server))["host"]);
        Assert.Contains("interrupted", _site.Fault(server), StringComparison.Ordinal);
        Assert.Equal("Success", await _site.DeleteAsync(server));
        await _site.AssertGoneAsync(server);
    }

    [Fact]
    public async Task ADeleteThatIsCutIsFinished()
    {
        var server = await _site.CreateActiveAsync();
        _site.Plane.Cloud.Neutron.Faults.Add(new Fault("DELETE", "/v2.0/ports") { Delay = TimeSpan.FromMinutes(10), Times = 1 });
        await _site.SendAsync(server, "terminate_instance", "deleting", ComputeSite.Bdms());
        await _site.UntilAsync("the port is being deleted", () => Task.FromResult(_site.Plane.Cloud.Neutron.Requests.Any(r => r.Method == "DELETE")));

        await RestartAsync();

        Assert.True((bool?)(await _site.RowAsync(server))["deleted"]);
        await _site.AssertGoneAsync(server);
    }

    private async Task RestartAsync()
    {
        await _site.StopServiceAsync();
        await _site.StartServiceAsync();
        await _site.ServingAsync();
    }
}
