using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests;

[Collection("site"), Trait("Lane", "functional")]
public sealed class ServerCreateTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;

    public async Task InitializeAsync() => _site = await ComputeSite.StartAsync(broker.Rabbit);

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task AServerBecomesActiveAndAllNeighboursKnowIt()
    {
        var server = await _site.CreateActiveAsync();

        var row = await _site.RowAsync(server);
        Assert.Equal(_site.Mark, (string?)row["host"]);
        Assert.Equal(_site.Mark, (string?)row["launched_on"]);
        Assert.Equal(_site.Node, (string?)row["node"]);
        Assert.Equal(1, (int?)row["power_state"]);
        Assert.NotNull((string?)row["launched_at"]);
        Assert.Equal("/dev/vda", (string?)row["root_device_name"]);

        var container = await _site.Driver.FindAsync(Guid.Parse(server.Uuid), default);
        Assert.Equal(ContainerState.Running, container!.State);

        var port = Assert.Single(_site.Ports(server));
        Assert.Equal(_site.Mark, (string?)port["binding:host_id"]);
        Assert.Equal("compute:nova", (string?)port["device_owner"]);
        Assert.True(ComputeSite.TapExists((string)port["id"]!));
        var (interfaces, cache, action) = _site.Plane.Conductor.Locked(c => (
            c.VirtualInterfaces.Where(v => (string?)v["instance_uuid"] == server.Uuid).ToList(),
            JArray.Parse((string)c.InfoCaches[server.Uuid]["network_info"]!), c.Actions.Single(a => a.RequestId == server.RequestId)));
        var vif = Assert.Single(cache);
        Assert.Equal(port["id"], vif["id"]);
        Assert.Equal(port["fixed_ips"]![0]!["ip_address"], vif["network"]!["subnets"]![0]!["ips"]![0]!["address"]);
        Assert.Equal((string?)port["id"], (string?)Assert.Single(interfaces)["uuid"]);
        Assert.Equal("Success", Assert.Single(action.Events).Result);
        Assert.Equal("compute__do_build_and_run_instance", action.Events[0].Name);
        Assert.Null(action.Message);
    }

    /// <summary>The image has neither cloud-init nor these files.</summary>
    [Fact]
    public async Task TheGuestFindsItselfAndItsNameservers()
    {
        _site.Plane.Cloud.Neutron.AddSubnet(_site.Plane.NetworkId, "six", "fd00:77::/64", new JObject { ["dns_nameservers"] = new JArray("fd00:77::53") });
        var server = await _site.CreateActiveAsync();
        var name = (string?)(await _site.RowAsync(server))["hostname"];

        Assert.Contains($"127.0.1.1 {name}\n", await _site.RunInAsync(server, "/bin/cat", "/etc/hosts"), StringComparison.Ordinal);
        Assert.Equal("nameserver fd00:77::53", await _site.RunInAsync(server, "/bin/cat", "/etc/resolv.conf"));
    }

    [Fact]
    public async Task TheSavesAreThoseOfARecordedBuild()
    {
        var server = await _site.CreateActiveAsync();

        var recorded = Server.Recording["saves"]!.Select(s => new Save(
            server.Uuid, (string?)s["vm_state"], (string?)s["task_state"], (int)s["power_state"]!, (bool)s["placed"]!,
                ControlPlane.Expected(s["expected_task_state"])));
        Assert.Equal(recorded, _site.Plane.Saves.Where(s => s.Uuid == server.Uuid));
    }

    [Fact]
    public async Task PlacementHasTheHostAndItsAllocationsAreLeftAlone()
    {
        var provider = _site.Plane.Cloud.Placement.Providers.Values.Single(p => p.Name == _site.Node);
        _site.Plane.Cloud.Placement.ChangeProvider(provider.Uuid, p => p.Traits.Add("CUSTOM_OPERATORS_OWN"));

        var server = await _site.CreateActiveAsync();

        provider = _site.Plane.Cloud.Placement.Providers[provider.Uuid];
        Assert.Superset(new HashSet<string> { "VCPU", "MEMORY_MB", "DISK_GB" }, provider.Inventories.Keys.ToHashSet());
        Assert.Contains("CUSTOM_SYSTEM_CONTAINER", provider.Traits);
        Assert.Contains("CUSTOM_OPERATORS_OWN", provider.Traits);
        var consumer = _site.Plane.Cloud.Placement.Consumers[server.Uuid];
        Assert.Equal(1, consumer.Generation);
        Assert.Equal(64, consumer.Allocations[provider.Uuid]["MEMORY_MB"]);
        var node = _site.Plane.Conductor.Locked(c => (JObject)Assert.Single(c.ComputeNodes).DeepClone());
        Assert.Equal(provider.Uuid, (string?)node["uuid"]);
        Assert.Equal(1, (int?)node["running_vms"]);
        Assert.Equal(1, (int?)node["vcpus_used"]);
    }

    /// <summary>Nova sets no other field of the request then (nova/objects/network_request.py: "auto" and "none" are network ids).</summary>
    [Fact]
    public async Task AServerThatWantsNoNetworkHasNone()
    {
        var server = await _site.CreateAsync(new ServerRequest
        {
            ImageId = _site.AddImage(),
            Change = arguments => Request(arguments)["nova_object.data"] = new JObject { ["network_id"] = "none" },
        });

        await _site.StateAsync(server, "active");
        Assert.Empty(_site.Ports(server));
        Assert.Equal("[]", _site.Plane.Conductor.Locked(c => (string?)c.InfoCaches[server.Uuid]["network_info"]));
    }

    private static JToken Request(JObject arguments) => arguments["requested_networks"]!["nova_object.data"]!["objects"]![0]!;
}
