using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.TestCloud.Http;
using NovaLxd.TestCloud.RabbitMq;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>What an Instance.save said, in the terms of tests/wire/rpc/create-zed.json.</summary>
internal sealed record Save(string Uuid, string? VmState, string? TaskState, int PowerState, bool Placed, string ExpectedTaskState);

/// <summary>
/// A control plane around one compute service: conductor and scheduler on the broker, the REST services on loopback ports, and the API's own client.
/// Neutron's agent is played too: a port is up when its tap device is there, and the compute service is told.
/// </summary>
internal sealed class ControlPlane : IAsyncDisposable
{
    public const string Project = "demo";
    private readonly CancellationTokenSource _end = new();
    private readonly ConcurrentBag<Task> _agent = [];
    private readonly string _host;
    private readonly RabbitTransport _transport;
    private readonly List<RpcServer> _servers = [];

    private ControlPlane(RabbitMqFixture broker, HttpCloud cloud, string host, FakeRelease release)
    {
        (_host, Cloud) = (host, cloud);
        _transport = new RabbitTransport(new MessagingOptions { TransportUrl = broker.TransportUrl, RpcResponseTimeout = 300 }, new RabbitOptions(),
            NullLoggerFactory.Instance);
        Api = new RpcClient(_transport);
        Conductor = new FakeConductor(release, TimeProvider.System) { Interfere = RecordAsync };
        NetworkId = cloud.Neutron.AddNetwork("private", ProjectId);
        cloud.Neutron.AddHost(host);
        cloud.Neutron.PortBound += port => _agent.Add(BringUpAsync((string)port["id"]!, (string)port["device_id"]!));
    }

    public static string ProjectId => TestCloud.Keystone.FakeKeystone.IdOf(Project);

    public HttpCloud Cloud { get; }

    public FakeConductor Conductor { get; }

    public RpcClient Api { get; }

    public string NetworkId { get; }

    /// <summary>Whether the agent works.</summary>
    public bool AgentAlive { get; set; } = true;

    /// <summary>Topic that external events are sent to.</summary>
    public string EventTopic { get; set; } = "compute";

    public ConcurrentQueue<Save> Saves { get; } = [];

    /// <summary>Arguments of the builds that were handed back to the conductor.</summary>
    public ConcurrentQueue<JObject> Reschedules { get; } = [];

    /// <summary>Every port that was ever bound here.</summary>
    public ConcurrentBag<string> PortsSeen { get; } = [];

    /// <summary>Called before each request to the conductor is answered.</summary>
    public Func<string, JObject, Task>? Interfere { get; set; }

    public static async Task<ControlPlane> StartAsync(RabbitMqFixture broker, string host, FakeRelease release)
    {
        var plane = new ControlPlane(broker, await HttpCloud.StartAsync(), host, release);
        await plane.ServeAsync();
        return plane;
    }

    /// <summary>Context of a request by the project's user, as the API makes it.</summary>
    public RequestContext NewContext(string requestId)
    {
        var token = Cloud.Keystone.IssueToken("alice", Project);
        return RequestContext.From(new JObject
        {
            ["request_id"] = requestId,
            ["user_id"] = token.UserId,
            ["user"] = token.UserId,
            ["project_id"] = token.ProjectId,
            ["project"] = token.ProjectId,
            ["user_name"] = "alice",
            ["project_name"] = Project,
            ["auth_token"] = token.Value,
            ["roles"] = new JArray("member", "reader"),
            ["is_admin"] = false,
            ["read_deleted"] = "no",
            ["service_catalog"] = new JArray(
                Service("network", "neutron", Cloud.Neutron.Url), Service("placement", "placement", Cloud.Placement.Url),
                Service("image", "glance", Cloud.Glance.Url)),
        });

        static JObject Service(string type, string name, string url) => new()
        {
            ["type"] = type,
            ["name"] = name,
            ["endpoints"] = new JArray(new JObject { ["region"] = "RegionOne", ["publicURL"] = url, ["internalURL"] = url, ["adminURL"] = url }),
        };
    }

    /// <summary>The instance's primitive as the API would send it now; deleted ones too.</summary>
    public async Task<JObject> GetInstanceAsync(string uuid) => (JObject)(await Conductor.HandleAsync(
        "object_class_action_versions",
        new JObject
        {
            ["objname"] = "Instance",
            ["objmethod"] = "get_by_uuid",
            ["args"] = new JArray(uuid),
            ["kwargs"] = new JObject
            {
                ["expected_attrs"] = new JArray("metadata", "system_metadata", "info_cache", "security_groups", "flavor",
                "numa_topology", "pci_requests")
            },
            ["object_versions"] = new JObject(),
        },
        new JObject { ["read_deleted"] = "yes" }))!;

    /// <summary>Tells the compute services about a port, as the API does on Neutron's word: both ends of a move that is under way.</summary>
    public async Task SendEventAsync(string uuid, string name, string tag)
    {
        var instance = await GetInstanceAsync(uuid);
        var host = (string?)instance["nova_object.data"]!["host"] ?? _host;
        foreach (var recipient in HostsOfMove(uuid).Prepend(host).Distinct())
        {
            await SendEventAsync(recipient, instance, uuid, name, tag);
        }
    }

    /// <summary>nova/compute/api.py:_get_relevant_hosts.</summary>
    private IReadOnlyList<string> HostsOfMove(string uuid) => Conductor.Locked<IReadOnlyList<string>>(c =>
        c.Instances[uuid]["migration_context"] is JObject { HasValues: true } && c.Migrations.LastOrDefault(m => (string?)m["instance_uuid"] == uuid) is { } migration
            ? [.. new[] { (string?)migration["source_compute"], (string?)migration["dest_compute"] }.OfType<string>()]
            : []);

    private async Task SendEventAsync(string host, JObject instance, string uuid, string name, string tag) => await Api.CastAsync(
        new RpcTarget(EventTopic, host, null, "6.0"),
        RequestContext.CreateAdmin(),
        "external_instance_event",
        new JObject
        {
            ["instances"] = new JArray(instance),
            ["events"] = new JArray(new JObject
            {
                ["nova_object.name"] = "InstanceExternalEvent",
                ["nova_object.namespace"] = "nova",
                ["nova_object.version"] = "1.5",
                ["nova_object.data"] = new JObject { ["instance_uuid"] = uuid, ["name"] = name, ["status"] = "completed", ["tag"] = tag },
            }),
        });

    /// <summary>
    /// The first request to the conductor that fits is neither carried out nor answered; the others are. The task completes when it has come.
    /// </summary>
    /// <param name="which">By name ("Instance.save") and arguments.</param>
    public Task HoldConductor(Func<string, JObject, bool> which)
    {
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Interfere = async (name, args) =>
        {
            if (which(name, args) && held.TrySetResult())
            {
                await Task.Delay(Timeout.Infinite, _end.Token);
            }
        };
        return held.Task;
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await Task.WhenAll(_agent).ContinueWith(_ => { }, TaskScheduler.Default);
        foreach (var server in _servers)
        {
            await server.DisposeAsync();
        }

        await _transport.DisposeAsync();
        await Cloud.DisposeAsync();
        _end.Dispose();
    }

    private async Task ServeAsync()
    {
        var conductor = new RpcMethodTable();
        var endpoint = conductor.AddEndpoint(null, "3.0");
        foreach (var method in new[] { "object_action", "object_class_action_versions", "object_backport_versions" })
        {
            endpoint.Add(method, (request, _) => Conductor.HandleAsync(method, request.Arguments, request.Context.ToJson()));
        }

        conductor.AddEndpoint("compute_task", "1.25").Add("build_instances", (request, _) =>
        {
            Reschedules.Enqueue(request.Arguments);
            return Task.FromResult<JToken?>(null);
        });
        conductor.AddBaseApi("conductor");

        var scheduler = new RpcMethodTable();
        var heard = scheduler.AddEndpoint(null, "4.5");
        foreach (var method in new[] { "update_instance_info", "delete_instance_info", "sync_instance_info" })
        {
            heard.Add(method, (_, _) => Task.FromResult<JToken?>(null));
        }

        _servers.Add(new RpcServer(_transport, ["conductor"], _host + "-controller", conductor, e => e is ConductorFailureException failure
            ? new RemoteFailure(failure.Module, failure.Class, failure.Text, [failure.Text], failure.Kwargs, [])
            : RemoteFailure.From(e)));
        _servers.Add(new RpcServer(_transport, ["scheduler"], _host + "-controller", scheduler));
        foreach (var server in _servers)
        {
            await server.StartAsync(_end.Token);
        }
    }

    private async Task RecordAsync(string name, JObject args)
    {
        if (name == "Instance.save")
        {
            var data = (JObject)args["objinst"]!["nova_object.data"]!;
            Saves.Enqueue(new Save(
                (string)data["uuid"]!, (string?)data["vm_state"], (string?)data["task_state"], (int?)data["power_state"] ?? 0,
                (string?)data["host"] is not null,
                Expected(args["kwargs"]!["expected_task_state"])));
        }

        if (Interfere is { } interfere)
        {
            await interfere(name, args);
        }
    }

    /// <summary>A guard in one spelling: Nova sends a bare value or a list of them.</summary>
    public static string Expected(JToken? guard) => guard switch
    {
        null or { Type: JTokenType.Null } => "",
        JArray list => string.Join(',', list.Select(v => (string?)v ?? "none")),
        _ => (string)guard!,
    };

    /// <summary>The agent's loop for one port: its device, then Neutron's status, then Nova's event, which the API drops for instances without a
    /// host.</summary>
    private async Task BringUpAsync(string port, string uuid)
    {
        PortsSeen.Add(port);
        while (!AgentAlive || !Directory.Exists("/sys/class/net/" + ("tap" + port)[..14]))
        {
            await Task.Delay(20, _end.Token);
        }

        Cloud.Neutron.SetPortStatus(port, "ACTIVE");
        await SendEventAsync(uuid, "network-vif-plugged", port);
    }
}
