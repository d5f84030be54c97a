using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.FunctionalTests;

/// <summary>kill -9 of the service amid an attach or a detach, and the end of the whole host after them.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class InterfaceKillTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;
    private Server _server = null!;

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, ["resume_guests_state_on_host_boot = true"], run: false);
        _site.Program.Start();
        await _site.ProgramServesAsync();
        _server = await _site.CreateActiveAsync();
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    /// <summary>What was not begun on the host is not there; the port goes with the server at the latest.</summary>
    [Theory]
    [InlineData("VirtualInterface.create", "eth0")]
    [InlineData("Instance.save", "eth0 eth1")]
    public async Task AnAttachThatWasKilledLeavesTheServerUsable(string request, string interfaces)
    {
        var held = _site.Plane.HoldConductor((name, _) => name == request);
        await _site.SendAsync(_server, "attach_interface", null, Interfaces.Wanted(network: _site.Plane.NetworkId));
        await _site.UntilAsync(request, () => Task.FromResult(held.IsCompleted));

        await _site.Program.KillAsync();
        _site.Plane.Interfere = null;
        await _site.RestartProgramAsync();

        Assert.Equal(("active", null), ((string?)(await _site.RowAsync(_server))["vm_state"], (string?)(await _site.RowAsync(_server))["task_state"]));
        Assert.Equal(interfaces, await _site.GuestNamesAsync());
        if (await _site.CachedAsync(_server) is [_, var attached])
        {
            Assert.Equal("Success", await _site.DetachAsync(_server, attached));
            Assert.Equal("eth0", await _site.GuestNamesAsync());
        }

        Assert.Equal("Success", await _site.DeleteAsync(_server));
        await _site.AssertNothingLeftAsync(_server);
    }

    /// <summary>The port is still the server's, for all that the API says: the guest has it again, and the detach can be repeated.</summary>
    [Fact]
    public async Task ADetachThatWasKilledCanBeRepeated()
    {
        Assert.Equal("Success", await _site.AttachAsync(_server, network: _site.Plane.NetworkId));
        var port = (await _site.CachedAsync(_server))[1];
        var neutron = _site.Plane.Cloud.Neutron;
        neutron.Faults.Add(new Fault("DELETE", "/v2.0/ports") { Delay = TimeSpan.FromMinutes(10), Times = 1 });
        await _site.SendAsync(_server, "detach_interface", null, new() { ["port_id"] = port });
        await _site.UntilAsync("Neutron is asked", () => Task.FromResult(neutron.Requests.Any(r => r.Method == "DELETE" && r.Path.Contains(port, StringComparison.Ordinal))));
        Assert.Equal("eth0", await _site.GuestNamesAsync());

        await _site.Program.KillAsync();
        await _site.RestartProgramAsync();

        await _site.UntilAsync("the guest has it again", async () => await _site.GuestNamesAsync() == "eth0 eth1");
        Assert.Equal("Success", await _site.DetachAsync(_server, port));
        Assert.Equal("eth0", await _site.GuestNamesAsync());
        Assert.False(ComputeSite.TapExists(port));
        Assert.False(neutron.Ports.ContainsKey(port));
    }

    [Fact]
    public async Task AHostThatWasStartedAnewBringsBackTheSameSet()
    {
        Assert.Equal("Success", await _site.AttachAsync(_server, network: _site.Plane.NetworkId));
        Assert.Equal("Success", await _site.AttachAsync(_server, network: _site.Plane.NetworkId));
        Assert.Equal("Success", await _site.DetachAsync(_server, (await _site.CachedAsync(_server))[0]));
        var ports = await _site.CachedAsync(_server);

        await HostReboot.SimulateAsync(_site);
        await _site.RestartProgramAsync();

        await _site.StateAsync(_server, "active");
        Assert.Equal([("eth1", _site.Mac(ports[0]), 1450), ("eth2", _site.Mac(ports[1]), 1450)], await _site.GuestLinksAsync());
    }
}
