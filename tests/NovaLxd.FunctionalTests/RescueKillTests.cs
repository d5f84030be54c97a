using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.FunctionalTests;

/// <summary>kill -9 of the service in each phase of a rescue and of its end, and the end of the host: the next start boots what the server says it is.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class RescueKillTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;
    private Server _server = null!;

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, ["resume_guests_state_on_host_boot = true"], run: false);
        _site.Program.Start();
        await _site.ProgramServesAsync();
        _server = await _site.CreateOwnAsync();
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Theory]
    [InlineData("not begun")]
    [InlineData("image downloading")]
    [InlineData("rescue system runs")]
    public async Task AKilledRescueIsTakenBack(string phase)
    {
        var image = _site.AddImageThatIs("rescue");
        var reached = Hold(phase, "rescued");
        await _site.SendAsync(_server, "rescue_instance", "rescuing", Rescue.Arguments(image));
        await _site.UntilAsync(phase, () => Task.FromResult(reached()));

        await KillAndRestartAsync();

        await _site.StateAsync(_server, "active");
        Assert.Equal(("own", 1), (_site.ReadInside(Rescue.Which), _site.Roots()));
        Assert.Contains("interrupted", _site.Fault(_server), StringComparison.Ordinal);
        Assert.Equal("Success", await _site.RescueAsync(_server, image));
        await DeleteAsync();
    }

    [Theory]
    [InlineData("not begun")]
    [InlineData("guest runs")]
    public async Task AKilledUnrescueIsFinished(string phase)
    {
        Assert.Equal("Success", await _site.RescueAsync(_server));
        var reached = Hold(phase, "active");
        await _site.SendAsync(_server, "unrescue_instance", "unrescuing");
        await _site.UntilAsync(phase, () => Task.FromResult(reached()));
        var init = Assert.Single(_site.Guests());

        await KillAndRestartAsync();

        await _site.StateAsync(_server, "active");
        Assert.Equal(("own", 1), (_site.ReadInside(Rescue.Which), _site.Roots()));
        Assert.Equal(phase == "guest runs", init == Assert.Single(_site.Guests())); // It is not booted twice.
        await DeleteAsync();
    }

    [Fact]
    public async Task ARescuedGuestRunsOnWithoutTheService()
    {
        Assert.Equal("Success", await _site.RescueAsync(_server));
        var init = Assert.Single(_site.Guests());

        await KillAndRestartAsync();

        await _site.StateAsync(_server, "rescued");
        Assert.Equal(init, Assert.Single(_site.Guests()));
        Assert.Equal("Success", await _site.UnrescueAsync(_server));
        Assert.Equal("own", _site.ReadInside(Rescue.Which));
        await DeleteAsync();
    }

    [Fact]
    public async Task AfterTheHostWasAwayTheRescueSystemIsBootedAgain()
    {
        Assert.Equal("Success", await _site.RescueAsync(_server));

        await HostReboot.SimulateAsync(_site);
        await _site.RestartProgramAsync();

        await _site.StateAsync(_server, "rescued");
        await _site.UntilAsync("the guest runs", () => Task.FromResult(_site.Guests().Count == 1));
        Assert.Equal(("rescue", "own"), (_site.ReadInside(Rescue.Which), _site.ReadInside(Rescue.RescuedWhich)));
        Assert.Equal("Success", await _site.UnrescueAsync(_server));
        Assert.Equal("own", _site.ReadInside(Rescue.Which));
        await DeleteAsync();
    }

    private Func<bool> Hold(string phase, string lastState)
    {
        if (phase == "image downloading")
        {
            _site.Plane.Cloud.Glance.ForgetRequests();
            _site.Plane.Cloud.Glance.Faults.Add(new Fault("GET", "/file") { Delay = TimeSpan.FromMinutes(10), Times = 1 });
            return () => _site.Plane.Cloud.Glance.Requests.Any(r => r.Method == "GET" && r.Path.Contains("/file", StringComparison.Ordinal));
        }

        var held = _site.Plane.HoldConductor((name, args) => phase == "not begun"
            ? name == "InstanceActionEvent.event_start"
            : name == "Instance.save" && (string?)args["objinst"]!["nova_object.data"]!["vm_state"] == lastState);
        return () => held.IsCompleted;
    }

    private async Task KillAndRestartAsync()
    {
        await _site.Program.KillAsync();
        _site.Plane.Interfere = null;
        await _site.RestartProgramAsync();
    }

    private async Task DeleteAsync()
    {
        Assert.Equal("Success", await _site.DeleteAsync(_server));
        await _site.AssertNothingLeftAsync(_server);
        Assert.Equal(0, _site.Roots());
    }
}
