using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Conductor;

namespace NovaLxd.FunctionalTests;

[Collection("site"), Trait("Lane", "functional")]
public sealed class StartupTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite? _site;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (_site is not null)
        {
            await _site.DisposeAsync();
        }

        Environment.ExitCode = 0; // A service that refused to run has set it, after it said why.
    }

    [Fact]
    public async Task PlacementIsWaitedFor()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, run: false);
        await _site.Plane.Cloud.Placement.GoDownAsync();
        await _site.StartServiceAsync();
        await _site.UntilAsync("Placement is missed", () => Task.FromResult(
            _site.Log().Contains("could not be reported yet", StringComparison.Ordinal)));
        Assert.NotEqual("serving", _site.Phase);

        await _site.Plane.Cloud.Placement.ComeUpAsync();

        await _site.ServingAsync();
        Assert.Contains(_site.Plane.Cloud.Placement.Providers.Values, p => p.Name == _site.Node);
    }

    [Fact]
    public async Task KeystoneIsWaitedFor()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, run: false);
        await _site.Plane.Cloud.Keystone.GoDownAsync();
        await _site.StartServiceAsync();
        await _site.UntilAsync("Keystone is missed", () => Task.FromResult(
            _site.Log().Contains("could not be reported yet", StringComparison.Ordinal)));

        await _site.Plane.Cloud.Keystone.ComeUpAsync();

        await _site.ServingAsync();
    }

    [Theory]
    [InlineData(false, 64)]
    [InlineData(true, 72)]
    public async Task TheServicesVersionIsTheControlPlanes(bool newest, int version)
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, release: newest ? FakeRelease.Gazpacho : FakeRelease.Zed);

        var service = _site.Plane.Conductor.Locked(c => (JObject)Assert.Single(c.Services).DeepClone());
        Assert.Equal(version, (int?)service["version"]);
        Assert.Equal("nova-compute", (string?)service["binary"]);
        Assert.Equal(_site.Mark, (string?)service["host"]);
        Assert.True((int?)service["report_count"] > 0);
    }

    [Fact]
    public async Task TheNewestReleaseSendsItsEventsToTheOtherTopic()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, release: FakeRelease.Gazpacho);
        _site.Plane.EventTopic = "compute-alt";

        await _site.CreateActiveAsync();
    }

    [Fact]
    public async Task TheNodeKeepsItsUuidOverRestarts()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit);
        var uuid = (await File.ReadAllTextAsync(Path.Combine(_site.StateFolder, "compute_id"))).Trim();
        Assert.Equal(uuid, _site.Plane.Cloud.Placement.Providers.Values.Single(p => p.Name == _site.Node).Uuid);

        await _site.StopServiceAsync();
        await _site.StartServiceAsync();
        await _site.ServingAsync();

        Assert.Equal(uuid, (await File.ReadAllTextAsync(Path.Combine(_site.StateFolder, "compute_id"))).Trim());
        Assert.Equal(uuid, _site.Plane.Conductor.Locked(c => (string?)Assert.Single(c.ComputeNodes)["uuid"]));
    }

    [Fact]
    public async Task TheOperatorsUuidIsTaken()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, run: false);
        var uuid = Guid.NewGuid().ToString();
        await File.WriteAllTextAsync(Path.Combine(_site.Folder, "compute_id"), uuid + "\n");

        await _site.StartServiceAsync();
        await _site.ServingAsync();

        Assert.Equal(uuid, _site.Plane.Conductor.Locked(c => (string?)Assert.Single(c.ComputeNodes)["uuid"]));
    }

    [Fact]
    public async Task ALostUuidStopsTheServiceWithTheReason()
    {
        // From 2023.1 on the file is the rule.
        _site = await ComputeSite.StartAsync(broker.Rabbit, release: FakeRelease.Gazpacho);
        await _site.StopServiceAsync();
        File.Delete(Path.Combine(_site.StateFolder, "compute_id"));

        await _site.StartServiceAsync();

        await _site.UntilAsync("the reason is logged", () => Task.FromResult(
            _site.Log().Contains("compute_id is missing", StringComparison.Ordinal)));
        Assert.NotEqual("serving", _site.Phase);
    }

    [Fact]
    public async Task AnotherNodesUuidStopsTheServiceWithTheReason()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit);
        await _site.StopServiceAsync();
        _site.Plane.Conductor.Locked(c => c.ComputeNodes.Single()["hypervisor_hostname"] = "another-node");

        await _site.StartServiceAsync();

        await _site.UntilAsync("the reason is logged", () => Task.FromResult(
            _site.Log().Contains("Possible rename detected", StringComparison.Ordinal)));
        Assert.NotEqual("serving", _site.Phase);
    }
}
