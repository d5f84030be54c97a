using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.TestCloud.Http;
using NovaLxd.TestCloud.Keystone;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Fakes;

/// <summary>A <see cref="TestPlane"/> with Neutron: an active instance with an interface and without a task, a network of its project, and what attach and detach need.</summary>
internal sealed class InterfacePlane : IAsyncDisposable
{
    private InterfacePlane(HttpCloud cloud)
    {
        Cloud = cloud;
        var configuration = cloud.Configuration().ToDictionary(l => $"{l.Section}.{l.Option}", l => l.Value);
        var openStack = OpenStackOptions.Read((section, option) => configuration.GetValueOrDefault($"{section}.{option}"), []);
        Plane.Services.AddLogging();
        Plane.Services.AddOpenStack(_ => openStack);
        Plane.Services
            .AddSingleton(new ServiceOptions { Host = TestPlane.HostName, MyIp = "192.0.2.10" }).AddSingleton(new ServiceHost(TestPlane.HostName))
            .AddSingleton(new NetworkOptions()).AddSingleton(new NeutronSectionOptions()).AddSingleton(Plane.Locks)
            .AddSingleton<InstanceEvents>().AddSingleton<InstancePlugging>()
            .AddSingleton<NetworkInfoReader>().AddSingleton<PortRequests>().AddSingleton<PortRelease>().AddSingleton<PortAllocation>().AddSingleton<InstancePorts>()
            .AddSingleton(new InfoCaches(Plane.Client)).AddSingleton<DeviceTags>().AddSingleton<AttachedPorts>().AddSingleton<FixedIps>();
        Plane.Context = Plane.Context.With("auth_token", cloud.Keystone.IssueToken("alice", "demo").Value);
        Plane.Instance.Set("project_id", FakeKeystone.IdOf("demo"));
        Plane.Instance.TaskState = null;
        Plane.Instance.ResetChanges();
        var recorded = Recorded.Json("rpc/interface-zed.json")["attach"]!["arguments"]!["instance"]!["nova_object.data"]!["info_cache"]!["nova_object.data"]!;
        Plane.Conductor.InfoCaches[Plane.Instance.Uuid]["network_info"] = recorded["network_info"];
        Plane.Row["project_id"] = FakeKeystone.IdOf("demo");
        Plane.Row["task_state"] = null;
        Plane.Driver.States[Id] = ContainerState.Running;
        cloud.Neutron.AddHost(TestPlane.HostName);
        NetworkId = cloud.Neutron.AddNetwork("private", FakeKeystone.IdOf("demo"));
    }

    public TestPlane Plane { get; } = new();

    public HttpCloud Cloud { get; }

    public string NetworkId { get; }

    public Guid Id => Guid.Parse(Plane.Instance.Uuid);

    /// <summary>What the database has of the instance's interfaces.</summary>
    public NetworkInfo Cache => NetworkInfo.Parse((string?)Plane.Conductor.InfoCaches[Plane.Instance.Uuid]["network_info"]);

    public static async Task<InterfacePlane> StartAsync() => new(await HttpCloud.StartAsync());

    public string AddPort(JObject? properties = null) => Cloud.Neutron.AddPort(NetworkId, FakeKeystone.IdOf("demo"), properties);

    public async Task<Vif> AttachAsync(string? network = null, string? port = null, string? address = null, string? tag = null) =>
        Vif.Parse((JObject)(await Plane.RunAsync("attach_interface", new JObject
        {
            ["network_id"] = network,
            ["port_id"] = port,
            ["requested_ip"] = address,
            ["tag"] = tag,
        }))!);

    public Task DetachAsync(string port) => Plane.RunAsync("detach_interface", new JObject { ["port_id"] = port });

    /// <summary>Runs what must fail; returns the failure as the API sees it.</summary>
    public static async Task<RemoteFailure> FailsAsync(Func<Task> call) => (await Assert.ThrowsAsync<RpcFailureException>(call)).Failure;

    public ValueTask DisposeAsync() => Cloud.DisposeAsync();
}
