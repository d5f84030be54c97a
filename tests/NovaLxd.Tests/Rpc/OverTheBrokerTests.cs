using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Rpc;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.TestCloud.RabbitMq;
using NovaLxd.Tests.Fakes;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Rpc;

/// <summary>The table, the runner and the conductor client with the messaging library and a real broker between them and the other services.</summary>
[Trait("Lane", "broker")]
public sealed class OverTheBrokerTests : IAsyncLifetime
{
    private readonly TestPlane _plane = new();
    private RabbitMqFixture? _broker;
    private RabbitTransport? _ours;
    private RabbitTransport? _theirs;
    private RpcServer? _compute;
    private RpcServer? _conductor;
    private RpcClient? _api;
    private ConductorClient? _client;

    public async Task InitializeAsync()
    {
        _broker = await RabbitMqFixture.StartAsync();
        _ours = Transport();
        _theirs = Transport();
        _client = new ConductorClient(new MessagingTransport(new RpcClient(_ours)));
        _api = new RpcClient(_theirs);

        var conductor = new RpcMethodTable();
        var endpoint = conductor.AddEndpoint(null, "3.0");
        foreach (var method in new[] { "object_action", "object_class_action_versions", "object_backport_versions" })
        {
            endpoint.Add(method, (request, _) => _plane.Conductor.HandleAsync(method, request.Arguments, request.Context.ToJson()));
        }

        conductor.AddBaseApi("conductor");
        _conductor = new RpcServer(_theirs, ["conductor"], "controller", conductor, e => e is ConductorFailureException failure
            ? new RemoteFailure(failure.Module, failure.Class, failure.Text, [failure.Text], failure.Kwargs, []) : RemoteFailure.From(e));
        await _conductor.StartAsync(default);

        var compute = new RpcMethodTable();
        _plane.Services.AddSingleton(_client);
        var runner = new OperationRunner(_client, new IncomingObjects(_client), new BuildSlots(new InstanceOptions()), _plane.Locks, _plane.Notifier, new ServiceHost(TestPlane.HostName),
            _plane.Services.BuildServiceProvider(), NullLogger<OperationRunner>.Instance);
        _plane.Rpc.AddTo(compute, runner);
        _compute = new RpcServer(_ours, ["compute", "compute-alt"], TestPlane.HostName, compute);
        await _compute.StartAsync(default);
    }

    public async Task DisposeAsync()
    {
        foreach (var disposable in new IAsyncDisposable?[] { _compute, _conductor, _ours, _theirs, _broker }.OfType<IAsyncDisposable>())
        {
            await disposable.DisposeAsync();
        }
    }

    [Fact]
    public async Task AnInstanceIsPausedByACastAndTheConductorKnows()
    {
        await _client!.WaitUntilReadyAsync(_ => { }, default);
        Assert.Equal(64, await _client.LearnReleaseAsync(_plane.Context, default));
        _plane.Driver.States[Guid.Parse(_plane.Instance.Uuid)] = ContainerState.Running;

        await _api!.CastAsync(new RpcTarget("compute", TestPlane.HostName, null, "6.0"), _plane.Context, "pause_instance",
            new JObject { ["instance"] = _plane.Instance.ToPrimitive() });

        for (var i = 0; i < 6000 && _plane.Action.Events.FirstOrDefault()?.Result is null; i++)
        {
            await Task.Delay(10);
        }

        Assert.Equal("Success", Assert.Single(_plane.Action.Events).Result);
        Assert.Equal("paused", (string?)_plane.Row["vm_state"]);
    }

    [Fact]
    public async Task CallsGetTheirResultsAndFailuresInNovasWords()
    {
        var target = new RpcTarget("compute", TestPlane.HostName, null, "6.0");

        Assert.Contains("load average", (string?)await _api!.CallAsync(target, _plane.Context, "get_host_uptime", []), StringComparison.Ordinal);
        _plane.Driver.States[Guid.Parse(_plane.Instance.Uuid)] = ContainerState.Running;
        _plane.Row["task_state"] = "updating_password";
        var failure = await Assert.ThrowsAsync<RemoteFailureException>(() => _api.CallAsync(
            target, _plane.Context, "set_admin_password", new JObject { ["instance"] = _plane.Instance.ToPrimitive(), ["new_pass"] = "x" }));

        Assert.True(failure.IsNova("SetAdminPasswdNotSupported"));
        Assert.Equal(400, (int?)failure.Failure.Kwargs["code"]);
        Assert.Null((string?)_plane.Row["task_state"]);
    }

    [Fact]
    public async Task TheConductorsFailuresAreOutcomes()
    {
        _plane.Row["task_state"] = "deleting";

        var outcome = await Assert.ThrowsAsync<UnexpectedDeletingTaskStateException>(
            () => _client!.SaveAsync(_plane.Context, _plane.Instance, [TaskState.Pausing], default));

        Assert.Equal("deleting", (string?)outcome.Actual!["task_state"]);
        await Assert.ThrowsAsync<InstanceNotFoundException>(() => _client!.GetInstanceAsync(_plane.Context, Guid.NewGuid().ToString(), null, default));
    }

    [Fact]
    public async Task NotificationsGoWhereTheOptionsSay()
    {
        await using var sender = new NotificationSender(_ours!, new NotificationOptions { Driver = ["messagingv2"], NotificationFormat = NotificationFormat.Versioned });
        var notifier = new Notifier(
            new MessagingNotificationBus(sender), _client!, new ServiceHost(TestPlane.HostName), new NotifierOptions(), NullLogger<Notifier>.Instance);

        await notifier.InstanceAsync(_plane.Context, _plane.Instance, InstanceEvent.Pause.Start, default);

        var queues = await _broker!.ListAsync("list_queues", "name", "messages");
        Assert.Contains(queues, q => q is ["versioned_notifications.info", "1"]);
        Assert.DoesNotContain(queues, q => q[0] == "notifications.info");
    }

    private RabbitTransport Transport() =>
        new(new MessagingOptions { TransportUrl = _broker!.TransportUrl }, new RabbitOptions(), NullLoggerFactory.Instance);
}
