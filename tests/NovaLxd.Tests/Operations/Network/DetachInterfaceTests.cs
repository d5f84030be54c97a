using Newtonsoft.Json.Linq;
using NovaLxd.TestCloud.Http;
using NovaLxd.Tests.Fakes;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Operations.Network;

public sealed class DetachInterfaceTests : IAsyncLifetime
{
    private InterfacePlane _host = null!;

    private TestPlane Plane => _host.Plane;

    public async Task InitializeAsync() => _host = await InterfacePlane.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task APortMadeForTheInstanceIsDeleted()
    {
        var before = _host.Cache;
        var vif = await _host.AttachAsync(network: _host.NetworkId);
        Plane.Notifier.Events.Clear();

        await _host.DetachAsync(vif.Id);

        Assert.Empty(_host.Cloud.Neutron.Ports);
        Assert.Empty(Plane.Conductor.VirtualInterfaces);
        Assert.Equal(before, _host.Cache);
        Assert.Equal($"detach {vif.Id}", Plane.Driver.Calls[^1]);
        Assert.Equal(["interface_detach.start", "interface_detach.end"], Plane.Notifier.Events);
    }

    [Fact]
    public async Task AUsersPortIsUnboundAndStays()
    {
        var port = _host.AddPort();
        await _host.AttachAsync(port: port);
        await _host.DetachAsync(port);
        var left = Assert.Single(_host.Cloud.Neutron.Ports).Value;
        Assert.Equal(("", "", ""), ((string?)left["device_id"], (string?)left["device_owner"], (string?)left["binding:host_id"]));
    }

    /// <summary>An event about the port that comes amid the attach knows nothing of whose port it is.</summary>
    [Fact]
    public async Task AUsersPortStaysAlsoWhenNeutronSpokeOfItMeanwhile()
    {
        var port = _host.AddPort();
        var told = Task.CompletedTask;
        _host.Cloud.Neutron.PortBound += _ => told = TellAsync("network-changed", port);
        await _host.AttachAsync(port: port);
        await told;
        Assert.True(_host.Cache.Find(port)!.PreserveOnDelete);
        await _host.DetachAsync(port);
        Assert.Equal([port], _host.Cloud.Neutron.Ports.Keys);
    }

    [Fact]
    public async Task APortTheInstanceDoesNotHaveIsNotFound()
    {
        var port = _host.AddPort();
        var failure = await InterfacePlane.FailsAsync(() => _host.DetachAsync(port));
        Assert.Equal("PortNotFound", failure.Class);
        Assert.Empty(Plane.Driver.Calls);
        Assert.Equal([port], _host.Cloud.Neutron.Ports.Keys);
        Assert.Equal(["exception detach_interface"], Plane.Notifier.Events);
    }

    [Fact]
    public async Task WhatTheGuestKeepsTheInstanceKeeps()
    {
        var vif = await _host.AttachAsync(network: _host.NetworkId);
        Plane.Driver.DetachFailure = new PortPlugException("Open vSwitch does not answer");
        var failure = await InterfacePlane.FailsAsync(() => _host.DetachAsync(vif.Id));
        Assert.Equal("InterfaceDetachFailed", failure.Class);
        Assert.Contains("Open vSwitch does not answer", failure.Message, StringComparison.Ordinal);
        Assert.NotNull(_host.Cache.Find(vif.Id));
        Assert.Equal([vif.Id], _host.Cloud.Neutron.Ports.Keys);
    }

    [Fact]
    public async Task AnInstanceWithoutAContainerGivesItsPortsBackAllTheSame()
    {
        var vif = await _host.AttachAsync(network: _host.NetworkId);
        Plane.Driver.States.Clear();
        await _host.DetachAsync(vif.Id);
        Assert.Empty(_host.Cloud.Neutron.Ports);
    }

    [Fact]
    public async Task WhatNeutronRefusesIsToldAndCanBeRepeated()
    {
        var vif = await _host.AttachAsync(network: _host.NetworkId);
        _host.Cloud.Neutron.Faults.Add(new Fault("DELETE", "/v2.0/ports/") { Status = 409 });
        var failure = await InterfacePlane.FailsAsync(() => _host.DetachAsync(vif.Id));
        Assert.Equal("InterfaceDetachFailed", failure.Class);
        Assert.NotNull(_host.Cache.Find(vif.Id));

        _host.Cloud.Neutron.Faults.Clear();
        await _host.DetachAsync(vif.Id);
        Assert.Empty(_host.Cloud.Neutron.Ports);
    }

    [Fact]
    public async Task APortDeletedInNeutronLeavesCacheAndGuest()
    {
        var vif = await _host.AttachAsync(network: _host.NetworkId);
        await TellAsync("network-vif-deleted", vif.Id);
        Assert.Null(_host.Cache.Find(vif.Id));
        Assert.Equal($"detach {vif.Id}", Plane.Driver.Calls[^1]);
        var calls = Plane.Driver.Calls.Count;
        await TellAsync("network-vif-deleted", "nonsense");
        Assert.Equal(calls, Plane.Driver.Calls.Count);
    }

    [Fact]
    public async Task AGuestThatCannotGiveADeletedPortBackKeepsNoOtherEventFromBeingHandled()
    {
        var vif = await _host.AttachAsync(network: _host.NetworkId);
        Plane.Driver.DetachFailure = new PortPlugException("no");
        await TellAsync("network-vif-deleted", vif.Id);
        Assert.Null(_host.Cache.Find(vif.Id));
    }

    private Task TellAsync(string name, string tag) => Plane.Runner().RunAsync(Plane.Rpc.Methods["external_instance_event"], Plane.Context, new JObject
    {
        ["instances"] = new JArray(Plane.Instance.ToPrimitive()),
        ["events"] = new JArray(new JObject
        {
            ["nova_object.name"] = "InstanceExternalEvent",
            ["nova_object.namespace"] = "nova",
            ["nova_object.version"] = "1.5",
            ["nova_object.data"] = new JObject { ["instance_uuid"] = Plane.Instance.Uuid, ["name"] = name, ["status"] = "completed", ["tag"] = tag },
        }),
    }, default);
}
