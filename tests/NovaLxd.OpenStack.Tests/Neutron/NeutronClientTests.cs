using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Newtonsoft.Json.Linq;
using NovaLxd.OpenStack.Neutron;
using NovaLxd.OpenStack.Neutron.Models;
using NovaLxd.TestCloud.Http;
using NovaLxd.TestCloud.Keystone;

namespace NovaLxd.OpenStack.Tests.Neutron;

public sealed class NeutronClientTests : CloudTest
{
    private const string Host = "cmp1";
    private const string Instance = "cebaf234-4e02-46b8-af4f-80a117edfcc0";
    private static readonly string Project = FakeKeystone.IdOf("demo");

    private readonly FakeTimeProvider time = new();
    private NeutronClient neutron = null!;
    private string network = null!;

    protected override TimeProvider Time => time;

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        Cloud.Neutron.AddHost(Host);
        network = Cloud.Neutron.AddNetwork("private", Project);
        neutron = Start().GetRequiredService<NeutronClient>();
    }

    private Task<Port> CreateAsync(PortCreate? port = null) =>
        neutron.CreatePortAsync(User(), port ?? new PortCreate { NetworkId = network, DeviceId = Instance, TenantId = Project }, Never);

    [Fact]
    public async Task PortIsCreatedForTheUserAndBoundByTheService()
    {
        var created = await CreateAsync();
        Assert.Equal("10.77.0.2", Assert.Single(created.FixedIps).IpAddress);
        Assert.Null(created.VifType);
        var bound = await neutron.UpdatePortAsync(
            User().WithServiceCredentials(), created.Id, new PortUpdate { DeviceId = Instance, DeviceOwner = "compute:nova", HostId = Host }, Never);
        Assert.Equal("bridge", bound.VifType);
        Assert.True((bool)bound.VifDetails!["port_filter"]!);
        Assert.False(bound.IsBindingFailed);
    }

    [Fact]
    public async Task UserMayNotBind()
    {
        var created = await CreateAsync();
        var refusal = await Assert.ThrowsAsync<NeutronException>(() => neutron.UpdatePortAsync(User(), created.Id, new PortUpdate { HostId = Host }, Never));
        Assert.Equal("PolicyNotAuthorized", refusal.Type);
    }

    [Fact]
    public async Task HostWithoutAgentGivesAFailedBinding()
    {
        var created = await CreateAsync();
        Assert.True((await neutron.UpdatePortAsync(Service, created.Id, new PortUpdate { HostId = "nowhere" }, Never)).IsBindingFailed);
    }

    [Fact]
    public async Task UnbindingSendsNullAndLeavesOutWhatWasNotSet()
    {
        var created = await CreateAsync();
        await neutron.UpdatePortAsync(Service, created.Id, new PortUpdate { HostId = Host }, Never);
        var unbound = await neutron.UpdatePortAsync(Service, created.Id, new PortUpdate { DeviceId = "", DeviceOwner = "", HostId = null, Profile = new JObject() }, Never);
        Assert.Equal("unbound", unbound.VifType);
        var expected = JObject.Parse("""{"port":{"device_id":"","device_owner":"","binding:host_id":null,"binding:profile":{}}}""");
        Assert.True(JToken.DeepEquals(expected, Cloud.Neutron.Requests[^1].Json), Cloud.Neutron.Requests[^1].Body);
    }

    [Theory]
    [InlineData("10.77.0.9", NeutronErrors.IpAddressAlreadyAllocated)]
    [InlineData("192.168.1.1", NeutronErrors.InvalidIpForNetwork)]
    public async Task RefusalsKeepNeutronsTypeName(string address, string type)
    {
        Cloud.Neutron.AddPort(network, Project, JObject.Parse("""{"fixed_ips":[{"ip_address":"10.77.0.9"}]}"""));
        var refusal = await Assert.ThrowsAsync<NeutronException>(
            () => CreateAsync(new PortCreate { NetworkId = network, FixedIps = new FixedIp[] { new(IpAddress: address) } }));
        Assert.Equal(type, refusal.Type);
        Assert.True(refusal.Is(type, NeutronErrors.OverQuota));
        Assert.Contains(address, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task QuotaMacAndUnknownObjectsHaveTheirTypes()
    {
        var taken = await CreateAsync();
        Assert.Equal(NeutronErrors.MacAddressInUse, await TypeAsync(new PortCreate { NetworkId = network, MacAddress = taken.MacAddress! }));
        Assert.Equal(NeutronErrors.NetworkNotFound, await TypeAsync(new PortCreate { NetworkId = "none" }));
        Assert.Equal(NeutronErrors.SecurityGroupNotFound, await TypeAsync(new PortCreate { NetworkId = network, SecurityGroups = new[] { "none" } }));
        Cloud.Neutron.PortQuota = 1;
        Assert.Equal(NeutronErrors.OverQuota, await TypeAsync(new PortCreate { NetworkId = network }));
        Assert.Equal(NeutronErrors.PortNotFound, (await Assert.ThrowsAsync<NeutronException>(() => neutron.ShowPortAsync(User(), "none", null, Never))).Type);

        async Task<string> TypeAsync(PortCreate port) => (await Assert.ThrowsAsync<NeutronException>(() => CreateAsync(port))).Type;
    }

    [Fact]
    public async Task ListsAreFilteredAndPagesFollowed()
    {
        for (var i = 0; i < 7; i++)
            await CreateAsync();
        Cloud.Neutron.AddPort(network, Project, JObject.Parse("""{"device_id":"another"}"""));
        Cloud.Neutron.PageSize = 3;
        Cloud.Neutron.ForgetRequests();
        var ports = await neutron.ListPortsAsync(User(), new PortQuery { TenantId = Project, DeviceId = Instance }, Never);
        Assert.Equal(7, ports.Select(p => p.Id).Distinct().Count());
        Assert.Equal(3, Cloud.Neutron.Requests.Count);
        Assert.All(Cloud.Neutron.Requests, r => Assert.Contains($"device_id={Instance}", r.PathAndQuery, StringComparison.Ordinal));
    }

    [Fact]
    public async Task FieldsLimitWhatIsShown()
    {
        var shown = await neutron.ShowNetworkAsync(Service, network, ["provider:physical_network", "provider:network_type"], Never);
        Assert.Equal("vxlan", shown.NetworkType);
        Assert.Null(shown.Name);
    }

    [Fact]
    public async Task NetworksSubnetsGroupsAndFloatingAddressesAreRead()
    {
        var port = await CreateAsync();
        Cloud.Neutron.AddFloatingIp("172.24.4.10", port.Id, Project);
        Cloud.Neutron.AddSecurityGroup("web", Project);
        Cloud.Neutron.AddSubnet(network, "v6", "fd00:77::/64", JObject.Parse("""{"host_routes":[{"destination":"fd01::/64","nexthop":"fd00:77::9"}],"dns_nameservers":["fd00:77::53"]}"""));

        var read = Assert.Single(await neutron.ListNetworksAsync(User(), new NetworkQuery { Ids = [network] }, Never));
        Assert.Equal(1450, read.Mtu);
        var subnets = await neutron.ListSubnetsAsync(User(), new SubnetQuery { NetworkId = network }, Never);
        Assert.Equal(["10.77.0.0/24", "fd00:77::/64"], subnets.Select(s => s.Cidr));
        Assert.Equal("fd00:77::9", Assert.Single(subnets[1].HostRoutes).Nexthop);
        Assert.Equal("10.77.0.1", subnets[0].GatewayIp);
        var groups = await neutron.ListSecurityGroupsAsync(User(), new SecurityGroupQuery { Fields = ["id", "name"], TenantId = Project }, Never);
        Assert.Equal(["default", "web"], groups.Select(g => g.Name).Order());
        var floating = Assert.Single(await neutron.ListFloatingIpsAsync(User(), new FloatingIpQuery { FixedIpAddress = port.FixedIps[0].IpAddress, PortId = port.Id }, Never));
        Assert.Equal("172.24.4.10", floating.FloatingIpAddress);
        Assert.Null((await neutron.UpdateFloatingIpAsync(User(), floating.Id, new FloatingIpUpdate(null), Never)).PortId);
    }

    [Fact]
    public async Task WithoutRouterExtensionThereAreNoFloatingAddresses()
    {
        Cloud.Neutron.Extensions.Remove("router");
        Assert.Empty(await neutron.ListFloatingIpsAsync(User(), new FloatingIpQuery(), Never));
    }

    [Fact]
    public async Task ExtensionsAreBelievedForTheInterval()
    {
        Assert.Contains("binding-extended", await neutron.GetExtensionsAsync(User(), Never));
        Cloud.Neutron.Extensions.Remove("binding-extended");
        time.Advance(TimeSpan.FromSeconds(599));
        Assert.Contains("binding-extended", await neutron.GetExtensionsAsync(User(), Never));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.DoesNotContain("binding-extended", await neutron.GetExtensionsAsync(User(), Never));
    }

    [Fact]
    public async Task BindingMovesToTheDestinationOfAMigration()
    {
        Cloud.Neutron.AddHost("cmp2", "ovs");
        var port = await CreateAsync();
        await neutron.UpdatePortAsync(Service, port.Id, new PortUpdate { HostId = Host, DeviceOwner = "compute:nova" }, Never);
        Assert.Null(await neutron.FindBindingAsync(Service, port.Id, "cmp2", Never));
        Assert.Equal("INACTIVE", (await neutron.CreateBindingAsync(Service, port.Id, new PortBindingCreate("cmp2", "normal", new JObject()), Never)).Status);
        Assert.True(await neutron.ActivateBindingAsync(Service, port.Id, "cmp2", Never));
        Assert.False(await neutron.ActivateBindingAsync(Service, port.Id, "cmp2", Never));
        Assert.Equal(["INACTIVE", "ACTIVE"], (await neutron.ListBindingsAsync(Service, port.Id, Never)).OrderBy(b => b.Host).Select(b => b.Status));
        Assert.Equal("ovs", (await neutron.ShowPortAsync(Service, port.Id, null, Never)).VifType);
        Assert.True(await neutron.DeleteBindingAsync(Service, port.Id, Host, Never));
        Assert.False(await neutron.DeleteBindingAsync(Service, port.Id, Host, Never));
    }

    [Fact]
    public async Task DeletingAPortTellsWhetherItWasThere()
    {
        var port = await CreateAsync();
        Assert.True(await neutron.DeletePortAsync(User(), port.Id, Never));
        Assert.False(await neutron.DeletePortAsync(User(), port.Id, Never));
    }

    [Fact]
    public async Task AutoAllocatedNetworkIsAsked()
    {
        Cloud.Neutron.AutoAllocatedNetworks[Project] = network;
        Assert.Equal(network, await neutron.GetAutoAllocatedNetworkIdAsync(User(), Project, Never));
    }

    [Fact]
    public async Task FieldsWeDoNotNameSurvive()
    {
        var id = Cloud.Neutron.AddPort(network, Project, JObject.Parse("""{"hints":{"openvswitch":{"x":1}}}"""));
        Assert.Equal(1, (int)(await neutron.ShowPortAsync(User(), id, null, Never)).Extra["hints"].SelectToken("openvswitch.x")!);
    }

    [Fact]
    public async Task ExpiredUserTokenIsReportedAs401()
    {
        var user = User();
        Cloud.Keystone.Revoke(user.UserToken!);
        var refusal = await Assert.ThrowsAsync<NeutronException>(() => neutron.ShowPortAsync(user, "x", null, Never));
        Assert.Equal(System.Net.HttpStatusCode.Unauthorized, refusal.Status);
    }
}
