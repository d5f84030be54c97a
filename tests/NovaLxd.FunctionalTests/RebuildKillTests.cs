using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.FunctionalTests;

/// <summary>kill -9 of the service in each phase of a rebuild.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class RebuildKillTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, run: false);
        _site.Program.Start();
        await _site.ProgramServesAsync();
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Theory]
    [InlineData("taken over")]
    [InlineData("image downloading")]
    [InlineData("shut down")]
    [InlineData("interfaces plugged")]
    [InlineData("launched but not saved")]
    public async Task AKilledRebuildIsAnErrorThatSaysSoAndCanBeRepeated(string phase)
    {
        var server = await _site.CreateActiveAsync();
        var image = _site.AddImage(BusyboxImage.Make(more: tar => BusyboxImage.AddFile(tar, "etc/marker", "other\n"u8.ToArray(), executable: false)));
        var reached = Hold(phase, server, image);
        await _site.SendRebuildAsync(server, image);
        await _site.UntilAsync(phase, () => Task.FromResult(reached()));

        await _site.Program.KillAsync();
        _site.Plane.Interfere = null;
        _site.Plane.Cloud.Neutron.SetPortStatus((string)Assert.Single(_site.Ports(server))["id"]!, "ACTIVE");
        await _site.RestartProgramAsync();

        var row = await _site.RowAsync(server);
        Assert.Equal(("error", null, _site.Mark), ((string?)row["vm_state"], (string?)row["task_state"], (string?)row["host"]));
        Assert.Contains("The rebuild was interrupted", _site.Fault(server), StringComparison.Ordinal);
        Assert.Equal("Success", await _site.RebuildAsync(server, image));
        await _site.StateAsync(server, "active");
        Assert.Single(_site.Guests());
        Assert.Equal("Success", await _site.DeleteAsync(server));
        Assert.Empty(_site.Guests());
        await _site.AssertNothingLeftAsync(server);
    }

    /// <summary>Stops the rebuild in a phase and tells whether it is there.</summary>
    private Func<bool> Hold(string phase, Server server, string image)
    {
        var port = (string)Assert.Single(_site.Ports(server))["id"]!;
        switch (phase)
        {
            case "image downloading":
                _site.Plane.Cloud.Glance.Faults.Add(new Fault("GET", $"{image}/file") { Delay = TimeSpan.FromMinutes(10), Times = 1 });
                return () => _site.Plane.Cloud.Glance.Requests.Any(r => r.Path.Contains($"{image}/file", StringComparison.Ordinal));
            case "interfaces plugged":
                _site.Plane.Cloud.Neutron.SetPortStatus(port, "DOWN");
                return () => TaskState(server) == "rebuild_spawning" && ComputeSite.TapExists(port);
            default:
                var task = phase switch
                {
                    "taken over" => "rebuilding",
                    "shut down" => "rebuild_block_device_mapping",
                    _ => null,
                };
                var held = _site.Plane.HoldConductor((name, args) =>
                    name == "Instance.save" && (string?)args["objinst"]!["nova_object.data"]!["task_state"] == task);
                return () => held.IsCompleted;
        }
    }

    private string? TaskState(Server server) => _site.Plane.Conductor.Locked(c => (string?)c.Instances[server.Uuid]["task_state"]);
}
