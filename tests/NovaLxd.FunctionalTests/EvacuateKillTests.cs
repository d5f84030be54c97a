using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.FunctionalTests;

/// <summary>kill -9 of the service in each phase of an evacuation to its host: it is taken back and can be repeated, or it is finished.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class EvacuateKillTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;
    private Server _server = null!;

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, run: false);
        _site.Program.Start();
        await _site.ProgramServesAsync();
        _server = _site.NewServerElsewhere();
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Theory]
    [InlineData("image downloading")]
    [InlineData("guest runs")]
    public async Task OneThatWasCutShortIsTakenBackAndCanBeRepeated(string phase)
    {
        await KillInAsync(phase);

        var row = await _site.RowAsync(_server);
        Assert.Equal(("error", null, Evacuations.Elsewhere), ((string?)row["vm_state"], (string?)row["task_state"], (string?)row["host"]));
        Assert.Contains("The evacuation was interrupted", _site.Fault(_server), StringComparison.Ordinal);
        Assert.Equal("failed", _site.EvacuationStatus(_server));
        Assert.Equal((false, true), _site.Allocations(_server));
        Assert.Empty(_site.Guests());
        Assert.Equal("Success", await _site.EvacuateAsync(_server));
        await AssertHereAsync();
    }

    [Fact]
    public async Task OneThatHadOnlyToBeRecordedIsFinished()
    {
        await KillInAsync("host to be saved");

        await AssertHereAsync();
    }

    private async Task KillInAsync(string phase)
    {
        var reached = Hold(phase);
        await _site.SendEvacuateAsync(_server);
        await _site.UntilAsync(phase, () => Task.FromResult(reached()));
        await _site.Program.KillAsync();
        _site.Plane.Interfere = null;
        _site.Plane.Cloud.Glance.Faults.Clear();
        await _site.RestartProgramAsync();
    }

    private Func<bool> Hold(string phase)
    {
        if (phase == "image downloading")
        {
            _site.Plane.Cloud.Glance.Faults.Add(new Fault("GET", "/file") { Delay = TimeSpan.FromMinutes(10), Times = 1 });
            return () => _site.Plane.Cloud.Glance.Requests.Any(r => r.Path.Contains("/file", StringComparison.Ordinal));
        }

        var held = _site.Plane.HoldConductor((name, args) => name == "Instance.save" && (phase == "guest runs"
            ? ControlPlane.Expected(args["kwargs"]!["expected_task_state"]) == "rebuild_spawning"
            : (string?)args["objinst"]!["nova_object.data"]!["host"] == _site.Mark));
        return () => held.IsCompleted;
    }

    private async Task AssertHereAsync()
    {
        await _site.StateAsync(_server, "active");
        Assert.Equal(_site.Mark, (string?)(await _site.RowAsync(_server))["host"]);
        Assert.Equal("done", _site.EvacuationStatus(_server));
        Assert.Single(_site.Guests());
        Assert.Equal((true, true), _site.Allocations(_server));
        Assert.Equal("Success", await _site.DeleteAsync(_server));
        await _site.AssertNothingLeftAsync(_server);
    }
}
