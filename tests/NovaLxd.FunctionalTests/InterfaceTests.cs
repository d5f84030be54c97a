using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.Messaging;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests;

/// <summary>Interfaces come and go; what the guest sees, what the database and Neutron say, and what later reboots and restarts bring back.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class InterfaceTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;
    private Server _server = null!;

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit);
        _server = await _site.CreateActiveAsync();
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task AGuestThatRunsGetsThemInTheOrderOfTheCacheAndLosesThem()
    {
        var users = _site.Plane.Cloud.Neutron.AddPort(_site.Plane.NetworkId, ControlPlane.ProjectId);
        Assert.Equal("Success", await _site.AttachAsync(_server, network: _site.Plane.NetworkId, tag: "backup"));
        Assert.Equal("Success", await _site.AttachAsync(_server, port: users));
        Assert.Equal("Success", await _site.AttachAsync(_server, network: _site.Plane.NetworkId, address: "10.77.0.99"));

        var ports = await _site.CachedAsync(_server);
        Assert.Equal((4, users), (ports.Length, ports[2]));
        Assert.Equal(ports.Select((port, i) => ($"eth{i}", _site.Mac(port), 1450)), await _site.GuestLinksAsync());
        Assert.All(ports, port => Assert.True(ComputeSite.TapExists(port)));
        Assert.Equal("10.77.0.99", (string?)_site.Plane.Cloud.Neutron.Ports[ports[3]]["fixed_ips"]![0]!["ip_address"]);
        await _site.UntilAsync("the ports are up", () => Task.FromResult(_site.Ports(_server).All(p => (string?)p["status"] == "ACTIVE")));
        var row = _site.Plane.Conductor.Locked(c => c.VirtualInterfaces.Single(v => (string?)v["uuid"] == ports[1]));
        Assert.Equal("backup", (string?)row["tag"]);

        Assert.Equal("Success", await _site.DetachAsync(_server, ports[1]));
        Assert.Equal("Success", await _site.DetachAsync(_server, users));
        Assert.Equal([ports[0], ports[3]], await _site.CachedAsync(_server));
        Assert.Equal("eth0 eth3", await _site.GuestNamesAsync());
        Assert.False(ComputeSite.TapExists(ports[1]) || ComputeSite.TapExists(users));
        Assert.False(_site.Plane.Cloud.Neutron.Ports.ContainsKey(ports[1]));
        Assert.Equal("", (string?)_site.Plane.Cloud.Neutron.Ports[users]["device_id"]);

        Assert.Equal("Success", await _site.DeleteAsync(_server));
        await _site.AssertGoneAsync(_server);
        Assert.True(_site.Plane.Cloud.Neutron.Ports.ContainsKey(users));
    }

    [Fact]
    public async Task TheCallerIsAnsweredWithTheInterface()
    {
        var requestId = $"req-{Guid.NewGuid()}";
        _site.Plane.Conductor.AddAction(_server.Uuid, "attach_interface", requestId);
        var arguments = Interfaces.Wanted(network: _site.Plane.NetworkId);
        arguments["instance"] = await _site.Plane.GetInstanceAsync(_server.Uuid);
        var vif = (JObject)(await _site.Plane.Api.CallAsync(
            new RpcTarget("compute", _site.Mark, null, "6.0"), _site.Plane.NewContext(requestId), "attach_interface", arguments, TimeSpan.FromMinutes(2)))!;
        Assert.Equal((await _site.CachedAsync(_server))[1], (string?)vif["id"]);
        Assert.Equal(("bridge", false), ((string?)vif["type"], (bool)vif["preserve_on_delete"]!));
    }

    [Theory]
    [InlineData("stop_instance", "powering-off", "start_instance", "powering-on")]
    [InlineData("pause_instance", "pausing", "unpause_instance", "unpausing")]
    public async Task AServerThatIsStoppedOrPausedHasThemWhenItGoesOn(string rest, string resting, string resume, string resuming)
    {
        var first = Assert.Single(await _site.CachedAsync(_server));
        Assert.Equal("Success", await _site.ActAsync(_server, rest, resting, rest == "stop_instance" ? new JObject { ["clean_shutdown"] = false } : null));
        Assert.Equal("Success", await _site.AttachAsync(_server, network: _site.Plane.NetworkId));
        Assert.Equal("Success", await _site.AttachAsync(_server, network: _site.Plane.NetworkId));
        Assert.Equal("Success", await _site.DetachAsync(_server, first));
        Assert.False(ComputeSite.TapExists(first));

        Assert.Equal("Success", await _site.ActAsync(_server, resume, resuming));

        var ports = await _site.CachedAsync(_server);
        Assert.Equal([("eth1", _site.Mac(ports[0]), 1450), ("eth2", _site.Mac(ports[1]), 1450)], await _site.GuestLinksAsync());
    }

    [Fact]
    public async Task EveryKindOfRebootAndRestartBringsBackWhatThereWas()
    {
        Assert.Equal("Success", await _site.AttachAsync(_server, network: _site.Plane.NetworkId));
        Assert.Equal("Success", await _site.AttachAsync(_server, network: _site.Plane.NetworkId));
        Assert.Equal("Success", await _site.DetachAsync(_server, (await _site.CachedAsync(_server))[1]));
        var ports = await _site.CachedAsync(_server);

        await AssertAsync("attach and detach");
        foreach (var (type, taskState) in new[] { ("SOFT", "rebooting"), ("HARD", "rebooting_hard") })
        {
            Assert.Equal("Success", await _site.ActAsync(_server, "reboot_instance", taskState, new JObject { ["block_device_info"] = null, ["reboot_type"] = type }));
            await AssertAsync($"a {type} reboot");
        }

        await RebootFromInsideAsync();
        await AssertAsync("a reboot from inside");

        await _site.StopServiceAsync();
        await _site.StartServiceAsync();
        await _site.ServingAsync();
        await AssertAsync("a restart of the service");

        await Command.RunAsync("kill", "-9", $"{_site.SupervisorPid}");
        Assert.Equal("Success", await _site.ActAsync(_server, "reboot_instance", "rebooting", new JObject { ["block_device_info"] = null, ["reboot_type"] = "SOFT" }));
        await AssertAsync("a restart of the supervisor");

        Assert.Equal("Success", await _site.ActAsync(_server, "stop_instance", "powering-off", new JObject { ["clean_shutdown"] = false }));
        Assert.Equal("Success", await _site.ActAsync(_server, "start_instance", "powering-on"));
        await AssertAsync("a stop and a start");

        async Task AssertAsync(string after)
        {
            var links = await _site.GuestLinksAsync();
            Assert.True(links.SequenceEqual([("eth0", _site.Mac(ports[0]), 1450), ("eth2", _site.Mac(ports[1]), 1450)]), $"After {after}: {string.Join(", ", links)}");
            Assert.Equal(ports, await _site.CachedAsync(_server));
        }
    }

    [Fact]
    public async Task WhatNoContainerCanHaveIsRefusedAndLeavesNothing()
    {
        _site.Plane.Cloud.Neutron.AddHost(_site.Mark, "hostdev_physical");
        var users = _site.Plane.Cloud.Neutron.AddPort(_site.Plane.NetworkId, ControlPlane.ProjectId);
        var before = await _site.CachedAsync(_server);

        Assert.Equal("Error", await _site.AttachAsync(_server, network: _site.Plane.NetworkId));
        Assert.Contains("has vif type hostdev_physical", _site.Fault(_server), StringComparison.Ordinal);
        Assert.Equal("Error", await _site.AttachAsync(_server, port: users));

        Assert.Equal(before, await _site.CachedAsync(_server));
        Assert.Equal(before, _site.Ports(_server).Select(p => (string)p["id"]!));
        Assert.Equal(("", ""), ((string?)_site.Plane.Cloud.Neutron.Ports[users]["device_id"], (string?)_site.Plane.Cloud.Neutron.Ports[users]["binding:host_id"]));
        Assert.Equal("eth0", await _site.GuestNamesAsync());
        Assert.Equal(("active", null), ((string?)(await _site.RowAsync(_server))["vm_state"], (string?)(await _site.RowAsync(_server))["task_state"]));
    }

    /// <summary>Its device would be called like a bridge of somebody else's that is there already.</summary>
    [Fact]
    public async Task WhatTheHostRefusesIsTakenBack()
    {
        var users = _site.Plane.Cloud.Neutron.AddPort(_site.Plane.NetworkId, ControlPlane.ProjectId);
        var device = ("tap" + users)[..14];
        await Command.RunAsync("ip", "link", "add", device, "type", "bridge");
        try
        {
            Assert.Equal("Error", await _site.AttachAsync(_server, port: users));
            Assert.Contains($"{device} is already there as a bridge", _site.Fault(_server), StringComparison.Ordinal);
            Assert.Equal("", (string?)_site.Plane.Cloud.Neutron.Ports[users]["device_id"]);
            Assert.Single(await _site.CachedAsync(_server));
        }
        finally
        {
            await Command.RunAsync("ip", "link", "delete", device);
        }

        Assert.Equal("Success", await _site.AttachAsync(_server, port: users));
        Assert.Equal("eth0 eth1", await _site.GuestNamesAsync());
    }

    [Fact]
    public async Task APortDeletedInNeutronLeavesTheGuest()
    {
        _site.Plane.Cloud.Neutron.PortDeleted += port =>
            _ = _site.Plane.SendEventAsync((string)port["device_id"]!, "network-vif-deleted", (string)port["id"]!);
        Assert.Equal("Success", await _site.AttachAsync(_server, network: _site.Plane.NetworkId));
        var port = (await _site.CachedAsync(_server))[1];

        _site.Plane.Cloud.Neutron.RemovePort(port);

        await _site.UntilAsync("the guest has lost it", async () => await _site.GuestNamesAsync() == "eth0");
        await _site.UntilAsync("the cache has lost it", async () => (await _site.CachedAsync(_server)).Length == 1);
        await _site.UntilAsync("its device is gone", () => Task.FromResult(!ComputeSite.TapExists(port)));
        await RebootFromInsideAsync();
        Assert.Equal("eth0", await _site.GuestNamesAsync());
    }

    private async Task RebootFromInsideAsync()
    {
        var before = Assert.Single(_site.Guests());
        await _site.Services.GetRequiredService<IGuestAccess>().ExecAsync(
            Guid.Parse(_server.Uuid), new ExecRequest { Command = ["/sbin/reboot"] }, CancellationToken.None);
        await _site.UntilAsync("the guest has rebooted", () => Task.FromResult(_site.Guests() is [var now] && now != before));
        await _site.UntilAsync("it runs", async () => (await _site.Driver.FindAsync(Guid.Parse(_server.Uuid), default))!.State == ContainerState.Running);
    }
}
