using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.Operations;
using NovaLxd.Operations.Move;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.TestCloud.Http;
using NovaLxd.Tests.Fakes;

namespace NovaLxd.Tests.Operations;

public sealed class LeftoversTests : IAsyncLifetime
{
    private const string Here = "9aedf423-39a3-4bc0-ab26-54bb7d2a9117";
    private const string There = "65ad26f0-7712-4cbb-81c6-914961c6deb4";
    private const string MigrationUuid = "d50388bd-3c28-4773-87db-04f0352be659";

    private readonly TestPlane _plane = new();
    private readonly DirectoryInfo _state = Directory.CreateTempSubdirectory("novalxd-leftovers-");
    private HttpCloud _cloud = null!;

    public async Task InitializeAsync()
    {
        _cloud = await HttpCloud.StartAsync();
        foreach (var (uuid, name) in new[] { (Here, "node1"), (There, "node2") })
        {
            _cloud.Placement.AddProvider(uuid, name);
            _cloud.Placement.ChangeProvider(uuid, p => p.Inventories["VCPU"] = JObject.Parse(
                """{"total":100,"reserved":0,"min_unit":1,"max_unit":100,"step_size":1,"allocation_ratio":1.0}"""));
        }

        var service = new ServiceOptions { Host = TestPlane.HostName, MyIp = "192.0.2.10", StatePath = _state.FullName };
        var identity = new NodeIdentity(service, new LxdOptions { HypervisorHostname = "node1" });
        identity.Persist(Here);
        var configuration = _cloud.Configuration().ToDictionary(l => $"{l.Section}.{l.Option}", l => l.Value);
        configuration["placement.connect_retries"] = "0"; // They would wait by the plane's clock, which stands still.
        var openStack = OpenStackOptions.Read((section, option) => configuration.GetValueOrDefault($"{section}.{option}"), []);
        _plane.Services.AddLogging();
        _plane.Services.AddOpenStack(_ => openStack);
        _plane.Services.AddSingleton<IRpcTransport>(_plane.Transport).AddSingleton(identity).AddSingleton(new ServiceHost(TestPlane.HostName))
            .AddSingleton<Leftovers>();
        _plane.AddMoves(service);
        _plane.Context = _plane.Context.With("auth_token", _cloud.Keystone.IssueToken("alice", "demo").Value);
    }

    public async Task DisposeAsync()
    {
        await _cloud.DisposeAsync();
        _state.Delete(recursive: true);
    }

    /// <summary>The migration's allocation goes back to the instance, in place of what the scheduler gave it here.</summary>
    [Theory]
    [InlineData("prep_resize", "cmp2")]
    [InlineData("live_migration", TestPlane.HostName)]
    public async Task AMoveGivesTheAllocationBack(string method, string host)
    {
        _plane.Row["vm_state"] = "stopped";
        _plane.Instance.VmState = "stopped";
        Move(host);
        Allocate(MigrationUuid, There, 1);
        Allocate(_plane.Instance.Uuid, Here, 2);

        await RefusedAsync(method, method == "live_migration" ? MoveArguments() : ResizeArguments());

        Assert.Equal(There, Assert.Single(_cloud.Placement.Consumers[_plane.Instance.Uuid].Allocations).Key);
        Assert.DoesNotContain(MigrationUuid, _cloud.Placement.Consumers.Keys);
        Assert.Equal("error", (string?)_plane.Conductor.Migrations[0]["status"]);
        AssertAsItWas("stopped");
    }

    [Fact]
    public async Task AResizeOfAServerElsewhereIsHandedToTheNextHost()
    {
        Move("cmp2");
        Allocate(MigrationUuid, There, 1);
        Allocate(_plane.Instance.Uuid, Here, 2);

        await _plane.RunAsync("prep_resize", Retriable());

        var sent = Assert.Single(_plane.Conductor.Migrates);
        Assert.Equal("alternate", (string?)sent["host_list"]![0]);
        Assert.Contains("transfer_certificate",
            (string?)sent["scheduler_hint"]!["filter_properties"]!["retry"]!["exc"]![0], StringComparison.Ordinal);
        Assert.Equal(("compute_task", "1.20"), _plane.Transport.Sent.Where(s => s.Method == "migrate_server").Select(s => (s.Namespace, s.Version)).Single());
        Assert.Equal("resize_prep", (string?)_plane.Row["task_state"]);
        Assert.Equal("error", (string?)_plane.Conductor.Migrations[0]["status"]);
        Assert.Equal(There, Assert.Single(_cloud.Placement.Consumers[_plane.Instance.Uuid].Allocations).Key);
        Assert.Single(_plane.Conductor.Faults);
    }

    [Fact]
    public async Task WhenThereIsNoOtherHostTheResizeFails()
    {
        Move("cmp2");
        _plane.Conductor.Interfere = (name, _) => name == "migrate_server"
            ? throw ConductorFailureException.Nova("NoValidHost", "No valid host was found.", 500)
            : Task.CompletedTask;

        await RefusedAsync("prep_resize", Retriable());

        AssertAsItWas("active");
    }

    [Fact]
    public async Task TheReasonIsToldWhenPlacementIsAway()
    {
        await _cloud.Placement.GoDownAsync();

        await RefusedAsync("live_migration", MoveArguments());

        Assert.Equal("Live migration is not supported by this compute service.", (string?)Assert.Single(_plane.Conductor.Faults)["message"]);
        AssertAsItWas("active");
    }

    private JObject MoveArguments()
    {
        var row = new JObject { ["id"] = 1, ["uuid"] = MigrationUuid, ["status"] = "pre-migrating", ["instance_uuid"] = _plane.Instance.Uuid };
        _plane.Conductor.Migrations.Add(row);
        return new JObject
        {
            ["migration"] = new JObject
            {
                ["nova_object.name"] = "Migration",
                ["nova_object.namespace"] = "nova",
                ["nova_object.version"] = "1.7",
                ["nova_object.data"] = row.DeepClone(),
            },
        };
    }

    private JObject ResizeArguments()
    {
        var args = MoveArguments();
        args["migration"]!["nova_object.data"]!["dest_compute"] = "cmp3";
        args["flavor"] = Recorded.Object<Flavor>("zed").ToPrimitive();
        args["image"] = new JObject();
        args["request_spec"] = Recorded.Object<RequestSpec>("zed").ToPrimitive();
        return args;
    }

    private JObject Retriable()
    {
        var args = ResizeArguments();
        args["filter_properties"] = new JObject { ["retry"] = new JObject { ["num_attempts"] = 1, ["hosts"] = new JArray() } };
        args["host_list"] = new JArray("alternate");
        return args;
    }

    private void Move(string? host)
    {
        _plane.Row["host"] = host;
        _plane.Instance.Set("host", host);
        _plane.Instance.ResetChanges();
    }

    private void Allocate(string consumer, string provider, int vcpus) =>
        _cloud.Placement.Allocate(consumer, provider, "p", "u", ("VCPU", vcpus));

    private Task RefusedAsync(string method, JObject args) => Assert.ThrowsAsync<RpcFailureException>(() => _plane.RunAsync(method, args));

    private void AssertAsItWas(string vmState)
    {
        Assert.Equal((vmState, null), ((string?)_plane.Row["vm_state"], (string?)_plane.Row["task_state"]));
        Assert.Equal("Error", Assert.Single(_plane.Action.Events).Result);
    }
}
