using Newtonsoft.Json.Linq;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.Tests.Fakes;

namespace NovaLxd.Tests.Resources;

public sealed class ServerGroupPolicyTests
{
    private const string Node = "node1";
    private const string GroupUuid = "5e7c5c2c-7c58-4f9e-8a2b-0d3a0c1f0a01";

    private readonly TestPlane _plane = new();

    private string Own => _plane.Instance.Uuid;

    [Fact]
    public async Task ApartMeansThatNoOtherMemberIsHere()
    {
        AddGroup("anti-affinity", Own, AddInstance(TestPlane.HostName));

        var fault = await Assert.ThrowsAsync<RescheduledByPolicyException>(() => CheckAsync());

        Assert.Equal("Anti-affinity instance group policy was violated", fault.Reason);
    }

    /// <summary>The instance itself is: its claim says so before the check.</summary>
    [Fact]
    public async Task ApartAllowsStrangersHereAndMembersElsewhere()
    {
        AddInstance(TestPlane.HostName);
        AddGroup("anti-affinity", Own, AddInstance("cmp2"));

        await CheckAsync();

        Assert.Contains("InstanceList.get_uuids_by_host", _plane.Conductor.Requests);
    }

    [Theory]
    [InlineData("migrating", true)]
    [InlineData("finished", true)]
    [InlineData("confirmed", false)]
    public async Task AMemberOnItsWayHereIsHere(string status, bool refused)
    {
        var member = AddInstance("cmp2");
        AddGroup("anti-affinity", Own, member);
        _plane.Conductor.Migrations.Add(new JObject
        {
            ["id"] = 1,
            ["instance_uuid"] = member,
            ["source_compute"] = "cmp2",
            ["source_node"] = "node2",
            ["dest_compute"] = TestPlane.HostName,
            ["dest_node"] = Node,
            ["status"] = status,
        });

        Assert.Equal(refused, await RefusesAsync());
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    public async Task AsManyAsTheRuleSaysMayShareAHost(int others, bool refused)
    {
        var members = Enumerable.Range(0, others).Select(_ => AddInstance(TestPlane.HostName)).ToArray();
        AddGroup("anti-affinity", [Own, .. members])["_rules"] = new JObject { ["max_server_per_host"] = "2" };

        Assert.Equal(refused, await RefusesAsync());
    }

    [Fact]
    public async Task AMemberThatCameWhileWeLookedCounts()
    {
        var group = AddGroup("anti-affinity", Own);
        var late = AddInstance(TestPlane.HostName);
        _plane.Conductor.Interfere = (name, _) =>
        {
            if (name == "InstanceList.get_uuids_by_host")
            {
                group["members"] = new JArray(Own, late);
            }

            return Task.CompletedTask;
        };

        Assert.True(await RefusesAsync());
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task TogetherMeansThatOneMemberIsHereIfAnyIsAnywhere(bool oneHere, bool refused)
    {
        string[] members = oneHere ? [AddInstance("cmp2"), AddInstance(TestPlane.HostName)] : [AddInstance("cmp2")];
        AddGroup("affinity", [Own, .. members]);

        Assert.Equal(refused, await RefusesAsync());
    }

    [Fact]
    public async Task TheFirstMemberMayBeAnywhere()
    {
        AddGroup("affinity", Own);

        Assert.False(await RefusesAsync());
    }

    [Theory]
    [InlineData("soft-anti-affinity")]
    [InlineData("soft-affinity")]
    public async Task ASoftPolicyIsTheSchedulersAlone(string policy)
    {
        AddGroup(policy, Own, AddInstance(TestPlane.HostName), AddInstance("cmp2"));

        await CheckAsync();

        Assert.Equal(["InstanceGroup.get_by_uuid"], _plane.Conductor.Requests);
    }

    [Fact]
    public async Task AGroupMayBeNamed()
    {
        AddGroup("anti-affinity", Own, AddInstance(TestPlane.HostName));

        Assert.True(await RefusesAsync("web"));
        Assert.Equal("InstanceGroup.get_by_name", _plane.Conductor.Requests[0]);
    }

    [Fact]
    public async Task AGroupThatIsGoneForbidsNothing()
    {
        await CheckAsync();

        Assert.Equal(["InstanceGroup.get_by_uuid"], _plane.Conductor.Requests);
    }

    [Fact]
    public async Task NobodyIsAskedForAServerOutsideGroups()
    {
        await NewPolicy().CheckAsync(_plane.Context, _plane.Instance, Spec(null), default);

        Assert.Empty(_plane.Conductor.Requests);
    }

    /// <summary>The group is in the API database, which a cell's conductor may be kept from.</summary>
    [Fact]
    public async Task TheUpcallCanBeSwitchedOff()
    {
        AddGroup("anti-affinity", Own, AddInstance(TestPlane.HostName));

        await NewPolicy(new WorkaroundOptions { DisableGroupPolicyCheckUpcall = true }).CheckAsync(_plane.Context, _plane.Instance, Spec(GroupUuid), default);

        Assert.Empty(_plane.Conductor.Requests);
    }

    private static RequestSpec Spec(string? group)
    {
        var spec = NovaObject.Create<RequestSpec>();
        spec.Set("scheduler_hints", group is null ? new JObject() : new JObject { ["group"] = new JArray(group) });
        return spec;
    }

    private ServerGroupPolicy NewPolicy(WorkaroundOptions? workarounds = null)
    {
        var options = new ServiceOptions { Host = TestPlane.HostName, MyIp = "192.0.2.10" };
        return new(_plane.Client, options, new NodeIdentity(options, new LxdOptions { HypervisorHostname = Node }), workarounds ?? new());
    }

    private Task CheckAsync(string hint = GroupUuid) => NewPolicy().CheckAsync(_plane.Context, _plane.Instance, Spec(hint), default);

    private async Task<bool> RefusesAsync(string hint = GroupUuid)
    {
        try
        {
            await CheckAsync(hint);
            return false;
        }
        catch (RescheduledByPolicyException)
        {
            return true;
        }
    }

    private string AddInstance(string host)
    {
        var other = _plane.Instance.ToPrimitive();
        other["nova_object.data"]!["uuid"] = Guid.NewGuid().ToString();
        other["nova_object.data"]!["host"] = host;
        return _plane.Conductor.AddInstance(other);
    }

    private JObject AddGroup(string policy, params string[] members)
    {
        var data = new JObject
        {
            ["id"] = 1,
            ["uuid"] = GroupUuid,
            ["name"] = "web",
            ["policy"] = policy,
            ["members"] = new JArray(members),
            ["hosts"] = null,
            ["_rules"] = new JObject(),
        };
        _plane.Conductor.InstanceGroups.Add(new JObject
        {
            ["nova_object.name"] = "InstanceGroup",
            ["nova_object.namespace"] = "nova",
            ["nova_object.version"] = "1.11",
            ["nova_object.data"] = data,
        });
        return data;
    }
}
