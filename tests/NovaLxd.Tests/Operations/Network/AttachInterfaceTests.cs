using Newtonsoft.Json.Linq;
using NovaLxd.TestCloud.Keystone;
using NovaLxd.Tests.Fakes;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Operations.Network;

public sealed class AttachInterfaceTests : IAsyncLifetime
{
    private InterfacePlane _host = null!;

    private TestPlane Plane => _host.Plane;

    public async Task InitializeAsync() => _host = await InterfacePlane.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task OnANetworkAPortIsMadeAndTheCacheEndsWithIt()
    {
        var had = Assert.Single(_host.Cache.Vifs);

        var vif = await _host.AttachAsync(network: _host.NetworkId);

        Assert.Equal([had.Id, vif.Id], _host.Cache.Vifs.Select(v => v.Id));
        Assert.Equal((false, false, "bridge"), (vif.PreserveOnDelete, vif.Active, vif.Type));
        var port = Assert.Single(_host.Cloud.Neutron.Ports).Value;
        Assert.Equal((Plane.Instance.Uuid, TestPlane.HostName), ((string?)port["device_id"], (string?)port["binding:host_id"]));
        Assert.Equal(vif.Id, (string?)Assert.Single(Plane.Conductor.VirtualInterfaces)["uuid"]);
        Assert.Equal([$"attach {vif.DevName}"], Plane.Driver.Calls);
        Assert.Equal(["interface_attach.start", "interface_attach.end"], Plane.Notifier.Events);
        Assert.Equal(("compute_attach_interface", "Success"), (Plane.Action.Events[0].Name, Plane.Action.Events[0].Result));
    }

    [Fact]
    public async Task WithAnAddressThePortHasIt() =>
        Assert.Equal("10.77.0.99", Assert.Single((await _host.AttachAsync(network: _host.NetworkId, address: "10.77.0.99")).FixedIps).Address);

    [Fact]
    public async Task AUsersPortIsMarkedAsOneThatStays()
    {
        var port = _host.AddPort();
        var vif = await _host.AttachAsync(port: port);
        Assert.Equal((port, true), (vif.Id, vif.PreserveOnDelete));
        Assert.True(_host.Cache.Find(port)!.PreserveOnDelete);
    }

    [Fact]
    public async Task ThePortHasTheNetworksMtuAndTheFlavorsRates()
    {
        Plane.Row["flavor"]!["nova_object.data"]!["extra_specs"] = new JObject { ["quota:vif_inbound_average"] = "1250", ["quota:vif_outbound_average"] = "625" };
        Plane.Instance.Unset("flavor");

        await _host.AttachAsync(network: _host.NetworkId);

        var port = Plane.Driver.Attached!;
        Assert.Equal((1450, 1250, 625), (port.Mtu, port.Inbound!.AverageKilobytesPerSecond, port.Outbound!.AverageKilobytesPerSecond));
    }

    [Fact]
    public async Task WithNothingNamedItIsTheProjectsOnlyNetwork()
    {
        Assert.Equal(_host.NetworkId, (await _host.AttachAsync()).Network!.Id);
        _host.Cloud.Neutron.AddNetwork("second", FakeKeystone.IdOf("demo"), "10.78.0.0/24");
        Assert.Equal("NetworkAmbiguous", (await InterfacePlane.FailsAsync(() => _host.AttachAsync())).Class);
    }

    [Fact]
    public async Task ATagIsRecordedAndReachesTheMetadataOfTheGuest()
    {
        await _host.AttachAsync(network: _host.NetworkId);
        var vif = await _host.AttachAsync(network: _host.NetworkId, tag: "storage");

        Assert.Equal("storage", (string?)Plane.Conductor.VirtualInterfaces.Single(v => (string?)v["uuid"] == vif.Id)["tag"]);
        var device = Assert.Single(Plane.Row["device_metadata"]!["nova_object.data"]!["devices"]!);
        Assert.Equal("NetworkInterfaceMetadata", (string?)device["nova_object.name"]);
        Assert.Equal((vif.Address, "storage"), ((string?)device["nova_object.data"]!["mac"], (string?)device["nova_object.data"]!["tags"]![0]));

        await _host.DetachAsync(vif.Id);
        Assert.Equal(JTokenType.Null, Plane.Row["device_metadata"]!.Type);
    }

    [Fact]
    public async Task WhatCannotBeHadIsSaidInTheWordsOfTheApi()
    {
        var foreign = _host.Cloud.Neutron.AddPort(_host.NetworkId, "somebody-else");
        var taken = _host.AddPort(new JObject { ["device_id"] = Guid.NewGuid().ToString() });
        var own = _host.AddPort(new JObject { ["device_id"] = Plane.Instance.Uuid });
        var guaranteed = _host.AddPort(new JObject { ["resource_request"] = new JObject { ["required"] = new JArray(), ["resources"] = new JObject() } });
        await AssertFailsAsync("PortNotFound", () => _host.AttachAsync(port: Guid.NewGuid().ToString()));
        await AssertFailsAsync("PortNotUsable", () => _host.AttachAsync(port: foreign));
        await AssertFailsAsync("PortInUse", () => _host.AttachAsync(port: taken));
        await AssertFailsAsync("PortInUse", () => _host.AttachAsync(port: own));
        await AssertFailsAsync("InterfaceAttachResourceAllocationFailed", () => _host.AttachAsync(port: guaranteed));
        await AssertFailsAsync("NetworkNotFound", () => _host.AttachAsync(network: Guid.NewGuid().ToString()));
        await _host.AttachAsync(network: _host.NetworkId, address: "10.77.0.50");
        await AssertFailsAsync("FixedIpAlreadyInUse", () => _host.AttachAsync(network: _host.NetworkId, address: "10.77.0.50"));
        _host.Cloud.Neutron.PortQuota = 0;
        await AssertFailsAsync("PortLimitExceeded", () => _host.AttachAsync(network: _host.NetworkId));

        // Those that were there are as they were.
        Assert.Equal(Plane.Instance.Uuid, (string?)_host.Cloud.Neutron.Ports[own]["device_id"]);
        Assert.Equal("", (string?)_host.Cloud.Neutron.Ports[guaranteed]["device_id"]);
    }

    [Fact]
    public async Task WithoutAnAgentOnThisHostThePortIsGivenBack()
    {
        _host.Cloud.Neutron.RemoveHost(TestPlane.HostName);
        var port = _host.AddPort();
        var failure = await InterfacePlane.FailsAsync(() => _host.AttachAsync(port: port));
        Assert.Equal("InterfaceAttachFailed", failure.Class);
        Assert.Contains("is a network agent alive", failure.Message, StringComparison.Ordinal);
        Assert.Equal(("", ""), ((string?)_host.Cloud.Neutron.Ports[port]["device_id"], (string?)_host.Cloud.Neutron.Ports[port]["binding:host_id"]));
        await InterfacePlane.FailsAsync(() => _host.AttachAsync(network: _host.NetworkId));
        Assert.Equal([port], _host.Cloud.Neutron.Ports.Keys);
        Assert.Empty(Plane.Driver.Calls);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task WhatTheHostCannotDoLeavesThePortAsItWas(bool users)
    {
        var before = _host.Cache;
        var port = users ? _host.AddPort() : null;
        Plane.Driver.AttachFailure = new PortPlugException("no such bridge");

        var failure = await InterfacePlane.FailsAsync(() => _host.AttachAsync(network: users ? null : _host.NetworkId, port: port, tag: "t"));

        Assert.Equal("InterfaceAttachFailed", failure.Class);
        Assert.Contains("no such bridge", failure.Message, StringComparison.Ordinal);
        Assert.Equal(port is null ? [] : [port], _host.Cloud.Neutron.Ports.Keys);
        Assert.All(_host.Cloud.Neutron.Ports.Values, p => Assert.Equal("", (string?)p["device_id"]));
        Assert.Empty(Plane.Conductor.VirtualInterfaces);
        Assert.Equal(before, _host.Cache);
        Assert.Equal(["interface_attach.start", "interface_attach.error", "exception attach_interface"], Plane.Notifier.Events);
        Assert.Contains("no such bridge", (string?)Plane.Conductor.Faults[0]["message"], StringComparison.Ordinal);
        Assert.Equal("Error", Plane.Action.Events[0].Result);
    }

    [Fact]
    public async Task AnInstanceThatIsGoneWhenItIsSavedKeepsNothing()
    {
        Plane.Conductor.Interfere = (name, _) =>
        {
            if (name == "Instance.save")
            {
                Plane.Row["deleted"] = true;
            }

            return Task.CompletedTask;
        };

        var failure = await InterfacePlane.FailsAsync(() => _host.AttachAsync(network: _host.NetworkId));

        Assert.Equal("InstanceNotFound", failure.Class);
        Assert.Empty(_host.Cloud.Neutron.Ports);
        Assert.Equal(2, Plane.Driver.Calls.Count);
        Assert.StartsWith("detach ", Plane.Driver.Calls[1], StringComparison.Ordinal);
    }

    private async Task AssertFailsAsync(string name, Func<Task> call)
    {
        var ports = _host.Cloud.Neutron.Ports.Keys;
        Assert.Equal(name, (await InterfacePlane.FailsAsync(call)).Class);
        Assert.Equal(ports.Order(), _host.Cloud.Neutron.Ports.Keys.Order());
    }
}
