using NovaLxd.FunctionalTests.Site;

namespace NovaLxd.FunctionalTests;

[Collection("site"), Trait("Lane", "functional")]
public sealed class ManyTests(Broker broker) : IAsyncLifetime
{
    private const int Servers = 20;
    private ComputeSite _site = null!;

    public async Task InitializeAsync() => _site = await ComputeSite.StartAsync(broker.Rabbit);

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task TwentyServersAreMadeAndDeletedAtOnce()
    {
        var image = _site.AddImage();
        var servers = Enumerable.Range(0, Servers).Select(_ => _site.NewServer(new ServerRequest { ImageId = image })).ToList();

        await Task.WhenAll(servers.Select(_site.BuildAsync));
        foreach (var server in servers)
        {
            Assert.Equal("Success", await _site.FinishedAsync(server.RequestId));
            await _site.StateAsync(server, "active");
        }

        Assert.Equal(Servers, (await _site.Driver.ListAsync(default)).Count);
        Assert.Equal(Servers, _site.Plane.Cloud.Neutron.Ports.Values.Select(p => (string?)p["fixed_ips"]![0]!["ip_address"]).Distinct().Count());
        Assert.Single(_site.Plane.Cloud.Glance.Requests, r => r.Path.EndsWith("/file", StringComparison.Ordinal));
        Assert.Equal(Servers, _site.Plane.Conductor.Locked(c => (int?)c.ComputeNodes.Single()["running_vms"]));

        var deletes = await Task.WhenAll(servers.Select(s => _site.SendAsync(s, "terminate_instance", "deleting", ComputeSite.Bdms())));
        foreach (var request in deletes)
        {
            Assert.Equal("Success", await _site.FinishedAsync(request));
        }

        foreach (var server in servers)
        {
            await _site.AssertGoneAsync(server);
        }

        Assert.Equal(0, _site.Plane.Conductor.Locked(c => (int?)c.ComputeNodes.Single()["running_vms"]));
    }
}
