using NovaLxd.FunctionalTests.Site;

namespace NovaLxd.FunctionalTests;

/// <summary>The host comes back with nothing but its disk.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class HostRebootTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite? _site;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (_site is not null)
        {
            await _site.DisposeAsync();
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task GuestsThatRanAreStartedAgainIfTheOperatorWantsIt(bool resume)
    {
        var site = await StartAsync($"resume_guests_state_on_host_boot = {resume}");
        var image = site.AddImage();
        var running = await site.CreateActiveAsync(new ServerRequest { ImageId = image });
        var paused = await site.CreateActiveAsync(new ServerRequest { ImageId = image });
        Assert.Equal("Success", await site.ActAsync(paused, "pause_instance", "pausing"));

        await HostReboot.SimulateAsync(site);
        await site.RestartProgramAsync();

        // What a paused guest had in its memory is gone: it is stopped, whatever the option says.
        await site.StateAsync(paused, "stopped");
        Assert.False(TapExists(site, paused));
        if (!resume)
        {
            await site.StateAsync(running, "stopped");
            Assert.False(TapExists(site, running));
            Assert.Equal("Success", await site.ActAsync(running, "start_instance", "powering-on"));
        }

        var row = await site.RowAsync(running);
        Assert.Equal(("active", null, 1), ((string?)row["vm_state"], (string?)row["task_state"], (int?)row["power_state"]));
        Assert.Single(site.Guests());
        Assert.True(TapExists(site, running));
        foreach (var server in new[] { running, paused })
        {
            Assert.Equal("Success", await site.DeleteAsync(server));
            await site.AssertNothingLeftAsync(server);
        }
    }

    [Fact]
    public async Task WhatWasHalfDoneIsAnErrorOrFinished()
    {
        var site = await StartAsync();
        var image = site.AddImage();
        var deleted = await site.CreateActiveAsync(new ServerRequest { ImageId = image });
        site.Plane.AgentAlive = false;
        var built = await site.CreateAsync(new ServerRequest { ImageId = image });
        await site.UntilAsync("the port is plugged", () => Task.FromResult(TapExists(site, built)));
        var held = site.Plane.HoldConductor((name, _) => name == "InstanceActionEvent.event_start");
        await site.SendAsync(deleted, "terminate_instance", "deleting", ComputeSite.Bdms());
        await site.UntilAsync("the delete has come", () => Task.FromResult(held.IsCompleted));

        await HostReboot.SimulateAsync(site);
        site.Plane.Interfere = null;
        await site.RestartProgramAsync();

        await site.StateAsync(built, "error");
        Assert.Contains("interrupted", site.Fault(built), StringComparison.Ordinal);
        Assert.True((bool?)(await site.RowAsync(deleted))["deleted"]);
        Assert.Equal("Success", await site.DeleteAsync(built));
        await site.AssertNothingLeftAsync(built);
        await site.AssertNothingLeftAsync(deleted);
    }

    private async Task<ComputeSite> StartAsync(params string[] settings)
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, settings, run: false);
        _site.Program.Start();
        await _site.ProgramServesAsync();
        return _site;
    }

    private static bool TapExists(ComputeSite site, Server server) => site.Ports(server).Any(p => ComputeSite.TapExists((string)p["id"]!));
}
