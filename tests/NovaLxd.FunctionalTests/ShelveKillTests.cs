using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.FunctionalTests;

/// <summary>kill -9 of the service in each phase of shelving and unshelving: the server goes back to what it was, or on to what it was to become, and is never lost.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class ShelveKillTests(Broker broker) : IAsyncLifetime
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(10);
    private ComputeSite _site = null!;
    private Server _server = null!;

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, run: false);
        _site.Program.Start();
        await _site.ProgramServesAsync();
        _server = await _site.CreateActiveAsync();
        await GuestOutput.ReadInGuestAsync(Assert.Single(_site.Guests()), "echo mine > /root/own");
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Theory]
    [InlineData("PATCH", "/v2/images")]
    [InlineData("PUT", "/file")]
    public async Task AKilledShelveIsTakenBack(string method, string path)
    {
        _site.Plane.Cloud.Glance.Faults.Add(new Fault(method, path) { Delay = Long, Times = 1 });
        await _site.SendShelveAsync(_server, _site.QueueImage(_server));
        await AskedAsync(_site.Plane.Cloud.Glance, method, path);
        Assert.Empty(_site.Guests());

        await _site.Program.KillAsync();
        await _site.RestartProgramAsync();

        await _site.StateAsync(_server, "active");
        Assert.Equal("mine", await OwnAsync());
        Assert.Contains("interrupted", _site.Fault(_server), StringComparison.Ordinal);
        _site.Plane.Cloud.Glance.Faults.Clear();
        await AssertGoesAndComesAsync();
    }

    [Theory]
    [InlineData("container gone")]
    [InlineData("state to be saved")]
    [InlineData("host to be saved")]
    public async Task AKilledOffloadIsFinished(string phase)
    {
        var image = _site.QueueImage(_server);
        var reached = HoldOffload(phase);
        await _site.SendShelveAsync(_server, image);
        await _site.UntilAsync(phase, () => Task.FromResult(reached()));

        await _site.Program.KillAsync();
        _site.Plane.Interfere = null;
        _site.Plane.Cloud.Placement.Faults.Clear();
        await _site.RestartProgramAsync();

        await _site.AssertOffloadedAsync(_server);
        await AssertComesAsync(image);
    }

    [Theory]
    [InlineData("image downloading")]
    [InlineData("guest runs")]
    public async Task AKilledUnshelveIsTakenBack(string phase)
    {
        var image = _site.QueueImage(_server);
        Assert.Equal("Success", await _site.ShelveAsync(_server, image));
        await _site.AssertOffloadedAsync(_server);
        var reached = HoldUnshelve(phase);
        await _site.SendUnshelveAsync(_server, image);
        await _site.UntilAsync(phase, () => Task.FromResult(reached()));

        await _site.Program.KillAsync();
        _site.Plane.Interfere = null;
        _site.Plane.Cloud.Glance.Faults.Clear();
        await _site.RestartProgramAsync();

        await _site.AssertOffloadedAsync(_server);
        Assert.Contains("interrupted", _site.Fault(_server), StringComparison.Ordinal);
        await AssertComesAsync(image);
    }

    private Func<bool> HoldOffload(string phase)
    {
        if (phase == "container gone")
        {
            _site.Plane.Cloud.Placement.Faults.Add(new Fault("DELETE", "/allocations") { Delay = Long, Times = 1 });
            return () => _site.Plane.Cloud.Placement.Requests.Any(r => r.Method == "DELETE" && r.Path.Contains("/allocations", StringComparison.Ordinal));
        }

        var held = _site.Plane.HoldConductor((name, args) =>
            name == "Instance.save" && args["objinst"]!["nova_object.data"]! is var data && (string?)data["vm_state"] == "shelved_offloaded"
            && (string?)data["host"] is null == (phase == "host to be saved"));
        return () => held.IsCompleted;
    }

    private Func<bool> HoldUnshelve(string phase)
    {
        if (phase == "image downloading")
        {
            _site.Plane.Cloud.Glance.ForgetRequests();
            _site.Plane.Cloud.Glance.Faults.Add(new Fault("GET", "/file") { Delay = Long, Times = 1 });
            return () => _site.Plane.Cloud.Glance.Requests.Any(r => r.Method == "GET" && r.Path.Contains("/file", StringComparison.Ordinal));
        }

        var held = _site.Plane.HoldConductor((name, args) =>
            name == "Instance.save" && (string?)args["objinst"]!["nova_object.data"]!["vm_state"] == "active");
        return () => held.IsCompleted;
    }

    private Task AskedAsync(FakeService service, string method, string path) => _site.UntilAsync($"{method} {path} is asked", () => Task.FromResult(
        service.Requests.Any(r => r.Method == method && r.Path.Contains(path, StringComparison.Ordinal))));

    private async Task AssertGoesAndComesAsync()
    {
        var image = _site.QueueImage(_server);
        Assert.Equal("Success", await _site.ShelveAsync(_server, image));
        await _site.AssertOffloadedAsync(_server);
        await AssertComesAsync(image);
    }

    private async Task AssertComesAsync(string image)
    {
        Assert.Equal("Success", await _site.UnshelveAsync(_server, image));
        await _site.StateAsync(_server, "active");
        Assert.Equal("mine", await OwnAsync());
        Assert.DoesNotContain(image, _site.Plane.Cloud.Glance.Images.Keys);
        Assert.Equal("Success", await _site.DeleteAsync(_server));
        await _site.AssertNothingLeftAsync(_server);
    }

    private Task<string> OwnAsync() => GuestOutput.ReadInGuestAsync(Assert.Single(_site.Guests()), "cat /root/own");
}
