using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.Operations;
using NovaLxd.Resources;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.TestCloud.Http;
using NovaLxd.Tests.Fakes;
using NovaLxd.Transfer;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Operations.Move;

/// <summary>A server that is to be resized, as the API, the conductor and the scheduler have left it; the driver and the neighbours are fakes.</summary>
public abstract class ResizeFixture : IAsyncLifetime
{
    private const string Node = "node1";
    private protected TestPlane Plane { get; }
    private readonly DirectoryInfo _state = Directory.CreateTempSubdirectory("novalxd-resize-");
    private protected JObject Recording { get; } = (JObject)Recorded.Json("rpc/resize-zed.json");
    private protected JObject MigrationRow { get; }
    private protected HttpCloud Cloud { get; private set; } = null!;
    private protected ServiceProvider Services { get; private set; } = null!;
    private string _provider = null!;

    protected ResizeFixture()
    {
        Plane = new TestPlane(driver: new FakeDriver { Host = Host(), PlugsPorts = true, DiskUsedBytes = 1 << 20 });
        Plane.Transport.Casts = [];
        MigrationRow = (JObject)Recording["prep_resize"]!["migration"]!["nova_object.data"]!.DeepClone();
        (MigrationRow["source_compute"], MigrationRow["source_node"], MigrationRow["instance_uuid"]) = (TestPlane.HostName, Node, Plane.Instance.Uuid);
        Plane.Conductor.Migrations.Add(MigrationRow);
    }

    /// <summary>The channel to other hosts; closed as a rule.</summary>
    private protected virtual TransferOptions Transfer => new();

    /// <summary>The end of the service.</summary>
    private protected CancellationTokenSource Stopping { get; set; } = new();

    private protected Guid Id => Guid.Parse(Plane.Instance.Uuid);

    private protected string MigrationUuid => (string)MigrationRow["uuid"]!;

    public async Task InitializeAsync()
    {
        Cloud = await HttpCloud.StartAsync();
        var service = new ServiceOptions { Host = TestPlane.HostName, MyIp = "192.0.2.10", StatePath = _state.FullName };
        var identity = new NodeIdentity(service, new LxdOptions { HypervisorHostname = Node });
        _provider = Guid.NewGuid().ToString();
        identity.Persist(_provider);
        var configuration = Cloud.Configuration().ToDictionary(l => $"{l.Section}.{l.Option}", l => l.Value);
        configuration["placement.connect_retries"] = "0"; // They would wait by the plane's clock, which stands still.
        var openStack = OpenStackOptions.Read((section, option) => configuration.GetValueOrDefault($"{section}.{option}"), []);
        Plane.Services.AddLogging();
        Plane.Services.AddOpenStack(_ => openStack);
        Plane.Services.AddSingleton<IRpcTransport>(Plane.Transport).AddSingleton(identity).AddSingleton(new ServiceHost(TestPlane.HostName)).AddSingleton<Leftovers>();
        Plane.AddMoves(service, Transfer);
        Plane.Context = Plane.Context.With("auth_token", Cloud.Keystone.IssueToken("alice", "demo").Value);
        Services = Plane.Services.BuildServiceProvider();

        // The server of the recording: 1 processor, 64 MiB, 1 GiB; resized to 512 MiB.
        var row = Plane.Row;
        var flavor = (JObject)Plane.Instance.Flavor.Primitive.DeepClone();
        var data = (JObject)flavor["nova_object.data"]!;
        (data["id"], data["name"], data["memory_mb"], data["vcpus"], data["root_gb"]) = (1, "m1.nano", 64, 1, 1);
        (row["flavor"], row["instance_type_id"], row["memory_mb"], row["host"], row["node"]) = (flavor, 1, 64, TestPlane.HostName, Node);
        (row["task_state"], row["old_flavor"], row["new_flavor"], row["migration_context"]) = ("resize_prep", null, null, null);
        Plane.Conductor.Services.Add(new JObject { ["id"] = 7, ["host"] = TestPlane.HostName, ["binary"] = "nova-compute", ["version"] = 64, ["disabled"] = false });
        Plane.Driver.States[Id] = ContainerState.Running;
        Plane.Driver.Specs[Id] = new ContainerSpec
        {
            Id = Id,
            Name = "c",
            Hostname = "c",
            ImageKey = "image",
            RootDiskBytes = 1 << 30,
            Limits = NovaLxd.Instances.FlavorLimits.Limits(NovaObject.As<Flavor>(flavor), new LxdOptions().PidsLimit, null),
        };
        await Services.GetRequiredService<ResourceTracker>().UpdateAsync(RequestContext.CreateAdmin(), startup: true, default);
        Cloud.Placement.Allocate(MigrationUuid, _provider, "p", "u", ("MEMORY_MB", 64));
        Cloud.Placement.Allocate(Plane.Instance.Uuid, _provider, "p", "u", ("MEMORY_MB", 512));
    }

    public virtual async Task DisposeAsync()
    {
        Stopping.Dispose();
        await Services.DisposeAsync();
        await Cloud.DisposeAsync();
        _state.Delete(recursive: true);
    }

    private static HostDescription Host() => new()
    {
        Processors = 8,
        MemoryBytes = 16L << 30,
        MemoryUsedBytes = 1L << 30,
        DiskBytes = 100L << 30,
        DiskUsedBytes = 30L << 30,
        Architecture = "x86_64",
        KernelRelease = "6.1.0-18-amd64",
        Cpu = new CpuInfo("GenuineIntel", "Xeon", 1, 4, 2, []),
        Abilities = new HashSet<string>(),
    };

    private protected JObject PrepArguments()
    {
        var arguments = (JObject)Recording["prep_resize"]!.DeepClone();
        arguments.Remove("instance");
        arguments["node"] = Node;
        arguments["migration"]!["nova_object.data"] = MigrationRow.DeepClone();
        return arguments;
    }

    private protected JObject MoveArguments() => new() { ["migration"] = Primitive() };

    private protected JObject RevertArguments() => new() { ["migration"] = Primitive(), ["request_spec"] = Recording["prep_resize"]!["request_spec"]!.DeepClone() };

    private JObject Primitive() => new()
    {
        ["nova_object.name"] = "Migration",
        ["nova_object.namespace"] = "nova",
        ["nova_object.version"] = "1.7",
        ["nova_object.data"] = MigrationRow.DeepClone(),
    };

    private protected void Revert() => (Plane.Row["task_state"], MigrationRow["status"]) = ("resize_reverting", "reverting");

    private protected async Task ResizeAsync()
    {
        await RunAsync("prep_resize", PrepArguments());
        await RunCastAsync("resize_instance");
        await RunCastAsync("finish_resize");
    }

    /// <summary>Runs the step that was asked for last.</summary>
    private protected Task RunCastAsync(string method)
    {
        var (_, server, sent, arguments) = Plane.Transport.Casts![^1];
        Assert.Equal((TestPlane.HostName, method), (server, sent));
        return RunAsync(method, arguments);
    }

    private protected Task<JToken?> RunAsync(string method, JObject arguments)
    {
        arguments["instance"] ??= new JObject
        {
            ["nova_object.name"] = "Instance",
            ["nova_object.namespace"] = "nova",
            ["nova_object.version"] = "2.7",
            ["nova_object.data"] = Plane.Row.DeepClone(),
        };
        return Plane.Runner(Services).RunAsync(Plane.Rpc.Methods[method], Plane.Context, arguments, Stopping.Token);
    }

    private protected (string? VmState, string? TaskState, int? PowerState) State() =>
        ((string?)Plane.Row["vm_state"], (string?)Plane.Row["task_state"], (int?)Plane.Row["power_state"]);

    private protected string? Name(string field) => Plane.Row[field] is JObject flavor ? (string?)flavor["nova_object.data"]!["name"] : null;

    private protected int? Allocated(string consumer) =>
        Cloud.Placement.Consumers.TryGetValue(consumer, out var found) && found.Allocations.TryGetValue(_provider, out var amounts) ? amounts["MEMORY_MB"] : null;

    /// <summary>Less what is reserved for the host.</summary>
    private protected (int Vcpus, int MemoryMb, int DiskGb) Used()
    {
        var node = Assert.Single(Plane.Conductor.ComputeNodes);
        return ((int)node["vcpus_used"]!, (int)node["memory_mb_used"]! - 512, (int)node["local_gb_used"]!);
    }

    private protected void AssertOver(string status, int memoryMb)
    {
        Assert.Equal(status, (string?)MigrationRow["status"]);
        Assert.Equal((memoryMb, null), (Allocated(Plane.Instance.Uuid), Allocated(MigrationUuid)));
        Assert.Equal((null, null), (Name("old_flavor"), Name("new_flavor")));
        Assert.Equal(JTokenType.Null, Plane.Row["migration_context"]!.Type);
        Assert.Null(Plane.Row["system_metadata"]!["old_vm_state"]);
    }
}
