using NovaLxd.FunctionalTests.Site;

namespace NovaLxd.FunctionalTests;

[Collection("site"), Trait("Lane", "functional")]
public sealed class ServerDeleteTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;

    public async Task InitializeAsync() => _site = await ComputeSite.StartAsync(broker.Rabbit);

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task NothingOfADeletedServerIsLeft()
    {
        var server = await _site.CreateActiveAsync();

        Assert.Equal("Success", await _site.DeleteAsync(server));

        await _site.AssertGoneAsync(server);
        var row = await _site.RowAsync(server);
        Assert.True((bool?)row["deleted"]);
        Assert.Equal("deleted", (string?)row["vm_state"]);
        Assert.NotNull((string?)row["terminated_at"]);
        Assert.Empty(_site.Plane.Conductor.Locked(c => c.VirtualInterfaces.ToList()));
        var node = _site.Plane.Conductor.Locked(c => c.ComputeNodes.Single().DeepClone());
        Assert.Equal(0, (int?)node["running_vms"]);
    }

    [Fact]
    public async Task ABuildThatWaitsForNeutronEndsWhenTheServerIsDeleted()
    {
        _site.Plane.AgentAlive = false;
        var server = await _site.CreateAsync(new ServerRequest { ImageId = _site.AddImage() });
        await _site.StateAsync(server, "building", "spawning");
        await _site.UntilAsync("the port is plugged", () => Task.FromResult(_site.Ports(server).Any(p => ComputeSite.TapExists((string)p["id"]!))));

        Assert.Equal("Success", await _site.DeleteAsync(server));

        await _site.AssertGoneAsync(server);
        Assert.True((bool?)(await _site.RowAsync(server))["deleted"]);
    }

    [Fact]
    public async Task AServerWithoutContainerHereIsDeletedAllTheSame()
    {
        var server = _site.NewServer(new ServerRequest { ImageId = _site.AddImage() });
        _site.Plane.Conductor.Locked(c =>
        {
            var row = c.Instances[server.Uuid];
            (row["host"], row["node"], row["vm_state"]) = (_site.Mark, _site.Node, "error");
            return 0;
        });

        Assert.Equal("Success", await _site.DeleteAsync(server));

        await _site.AssertGoneAsync(server);
        Assert.True((bool?)(await _site.RowAsync(server))["deleted"]);
    }

    [Fact]
    public async Task ADeleteThatNeutronRefusesIsAnErrorThatCanBeRepeated()
    {
        var server = await _site.CreateActiveAsync();
        _site.Plane.Cloud.Neutron.Faults.Add(TestCloud.Http.Fault.Answer(500, "DELETE", "/v2.0/ports"));

        Assert.Equal("Error", await _site.DeleteAsync(server));
        Assert.Equal("error", (string?)(await _site.RowAsync(server))["vm_state"]);
        Assert.NotEmpty(_site.Fault(server));

        _site.Plane.Cloud.Neutron.Faults.Clear();
        Assert.Equal("Success", await _site.DeleteAsync(server));
        await _site.AssertGoneAsync(server);
    }
}
