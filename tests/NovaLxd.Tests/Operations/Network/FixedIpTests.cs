using Newtonsoft.Json.Linq;
using NovaLxd.TestCloud.Http;
using NovaLxd.Tests.Fakes;

namespace NovaLxd.Tests.Operations.Network;

public sealed class FixedIpTests : IAsyncLifetime
{
    private InterfacePlane _host = null!;

    private TestPlane Plane => _host.Plane;

    public async Task InitializeAsync() => _host = await InterfacePlane.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task AnAddressIsAddedToThePortOfTheNetworkAndTakenAway()
    {
        var vif = await _host.AttachAsync(network: _host.NetworkId);
        var first = Assert.Single(Addresses(vif.Id));
        Plane.Notifier.Events.Clear();

        await AddAsync(_host.NetworkId);

        var both = Addresses(vif.Id);
        Assert.Equal(2, both.Count);
        Assert.Equal(both, _host.Cache.Find(vif.Id)!.FixedIps.Select(f => f.Address));
        Assert.Equal(["create_ip.start", "create_ip.end"], Plane.Notifier.Events);

        await RemoveAsync(both.Single(a => a != first));

        Assert.Equal([first], Addresses(vif.Id));
        Assert.Equal([first], _host.Cache.Find(vif.Id)!.FixedIps.Select(f => f.Address));
        Assert.Equal(["delete_ip.start", "delete_ip.end"], Plane.Notifier.Events.TakeLast(2));
    }

    [Fact]
    public async Task ANetworkThatTheInstanceIsNotInHasNoAddressForIt()
    {
        var other = _host.Cloud.Neutron.AddNetwork("other", TestCloud.Keystone.FakeKeystone.IdOf("demo"));
        var failure = await InterfacePlane.FailsAsync(() => AddAsync(other));
        Assert.Equal("NetworkNotFoundForInstance", failure.Class);
        Assert.Contains("the instance has no port in it", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatNeutronRefusesTheUserReads()
    {
        var vif = await _host.AttachAsync(network: _host.NetworkId);
        _host.Cloud.Neutron.Faults.Add(Fault.Answer(409, "PUT", "/v2.0/ports"));
        var failure = await InterfacePlane.FailsAsync(() => AddAsync(_host.NetworkId));
        Assert.Equal("NetworkNotFoundForInstance", failure.Class);
        Assert.Single(Addresses(vif.Id));
    }

    [Fact]
    public async Task AnAddressThatIsNotThereIsNotTakenAway()
    {
        var failure = await InterfacePlane.FailsAsync(() => RemoveAsync("203.0.113.9"));
        Assert.Equal("FixedIpNotFoundForInstance", failure.Class);
        Assert.Contains("203.0.113.9", failure.Message, StringComparison.Ordinal);
    }

    private Task AddAsync(string network) => Plane.RunAsync("add_fixed_ip_to_instance", new JObject { ["network_id"] = network });

    private Task RemoveAsync(string address) => Plane.RunAsync("remove_fixed_ip_from_instance", new JObject { ["address"] = address });

    private List<string> Addresses(string port) => [.. _host.Cloud.Neutron.Ports[port]["fixed_ips"]!.Select(f => (string)f["ip_address"]!)];
}
