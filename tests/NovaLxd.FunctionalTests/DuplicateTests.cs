using NovaLxd.FunctionalTests.Site;

namespace NovaLxd.FunctionalTests;

[Collection("site"), Trait("Lane", "functional")]
public sealed class DuplicateTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;

    public async Task InitializeAsync() => _site = await ComputeSite.StartAsync(broker.Rabbit);

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task ABuildThatIsAskedForTwiceIsDoneOnce()
    {
        var server = _site.NewServer(new ServerRequest { ImageId = _site.AddImage() });

        await _site.BuildAsync(server);
        await _site.BuildAsync(server);
        await _site.StateAsync(server, "active");
        await _site.UntilAsync("both requests are finished", () => Task.FromResult(
            _site.Plane.Conductor.Locked(c => c.Actions.Single(a => a.RequestId == server.RequestId).Events.Count(e => e.Result is not null) == 2)));

        Assert.Single(_site.Ports(server));
        Assert.Single(await _site.Driver.ListAsync(default));
        Assert.Equal("active", (string?)(await _site.RowAsync(server))["vm_state"]);
        Assert.Single(_site.Plane.Saves, s => s is { TaskState: "spawning" });
    }

    [Fact]
    public async Task ADeleteThatIsAskedForTwiceSucceedsOnce()
    {
        var server = await _site.CreateActiveAsync();

        var first = await _site.SendAsync(server, "terminate_instance", "deleting", ComputeSite.Bdms());
        var second = await _site.SendAsync(server, "terminate_instance", "deleting", ComputeSite.Bdms());
        Assert.Equal(["Success", "Success"], [await _site.FinishedAsync(first), await _site.FinishedAsync(second)]);

        await _site.AssertGoneAsync(server);
    }
}
