using Microsoft.Extensions.Logging.Abstractions;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.Tests.Fakes;

namespace NovaLxd.Tests.Notifications;

/// <summary>Against what Nova's own code emitted for the same instance (tests/wire/notifications).</summary>
public sealed class NotifierTests
{
    private static readonly JObject Source = (JObject)Recorded.Json("notifications/source.json");
    private static readonly List<JObject> Emitted = new[] { "emitted", "rebuild", "images" }
        .SelectMany(name => Recorded.Lines($"notifications/{name}.jsonl")).Select(WireJson.ParseObject).ToList();

    private readonly FakeConductor _conductor = new(FakeRelease.Zed, TimeProvider.System);
    private readonly RecordingBus _bus = new();
    private readonly Instance _instance = NovaObject.As<Instance>((JObject)Source["instance"]!.DeepClone());
    private readonly RequestContext _context;
    private readonly ConductorClient _client;

    public NotifierTests()
    {
        _conductor.AddInstance(_instance.Primitive);
        _client = new ConductorClient(new FakeTransport(_conductor));
        _context = RequestContext.From((JObject)Source["context"]!).With("service_catalog", JArray.Parse(
            """[{"type": "image", "name": "glance", "endpoints": [{"region": "R", "internalURL": "http://127.0.0.1:9292"}]}]"""));
    }

    [Fact]
    public async Task CreationsAreNovasOwn()
    {
        var notifier = Notifier();
        InstanceEvent[] events = [InstanceEvent.CreateStart("blank") with { BlockDevices = [] }, InstanceEvent.CreateEnd(_instance.NetworkInfo) with { BlockDevices = [] }];
        foreach (var what in events)
        {
            await notifier.InstanceAsync(_context, _instance, what, default);
        }

        AssertEmitted("compute.instance.create.start");
        AssertEmitted("instance.create.start");
        AssertEmitted("compute.instance.create.end");
    }

    [Fact]
    public async Task RebuildsAreNovasOwn()
    {
        const string OldImage = "11111111-2222-3333-4444-555555555555";
        var period = AuditPeriod.Current("month", new DateTimeOffset(2026, 11, 24, 3, 5, 6, TimeSpan.Zero).AddMicroseconds(789));
        var oldMetadata = new JObject { ["image_min_disk"] = "7", ["image_base_image_ref"] = OldImage, ["owner_user_name"] = "x" };
        InstanceEvent[] events =
        [
            InstanceEvent.Exists(period, OldImage, oldMetadata),
            InstanceEvent.RebuildStart("blank") with { BlockDevices = [] },
            InstanceEvent.RebuildEnd("blank", _instance.NetworkInfo) with { BlockDevices = [] },
            InstanceEvent.Rebuild.Error(new InstancePowerOffFailureException("it is stuck")) with { BlockDevices = [] },
        ];
        foreach (var what in events)
        {
            await Notifier().InstanceAsync(_context, _instance, what, default);
        }

        foreach (var name in new[] { "exists", "rebuild.start", "rebuild.end" })
        {
            AssertEmitted("compute.instance." + name);
            AssertEmitted("instance." + name);
        }

        AssertEmitted("compute.instance.rebuild.error", "exception", "message");
        AssertEmitted("instance.rebuild.error", "module_name", "function_name", "exception_message", "traceback");
    }

    [Fact]
    public async Task ActionsAreNovasOwn()
    {
        await Notifier().InstanceAsync(_context, _instance, InstanceEvent.Pause.Start, default);

        AssertEmitted("compute.instance.pause.start");
        AssertEmitted("instance.pause.start");
    }

    /// <summary>Nova tells of interfaces in the versioned form alone.</summary>
    [Fact]
    public async Task InterfacesHaveNoUnversionedForm()
    {
        await Notifier().InstanceAsync(_context, _instance, InstanceEvent.InterfaceAttach.Start, default);
        await Notifier().InstanceAsync(_context, _instance, InstanceEvent.InterfaceAttach.Error(new InterfaceAttachFailedException("no")), default);
        await Notifier().InstanceAsync(_context, _instance, InstanceEvent.InterfaceDetach.End, default);

        Assert.Equal(
            [("instance.interface_attach.start", "INFO"), ("instance.interface_attach.error", "ERROR"), ("instance.interface_detach.end", "INFO")],
            _bus.Messages.Select(m => ((string)m["event_type"]!, (string)m["priority"]!)));
    }

    /// <summary>What Nova's rescue says is its pause and one value more in each form (nova/compute/utils.py:notify_about_instance_rescue_action).</summary>
    [Fact]
    public async Task ARescueSaysItsImage()
    {
        await Notifier().InstanceAsync(_context, _instance, InstanceEvent.Pause.Start, default);
        await Notifier().InstanceAsync(_context, _instance, InstanceEvent.Rescue("f2e2b0a4-0000-4000-8000-000000000001", "grml", _instance.NetworkInfo).Start, default);

        var payload = Sent("instance.rescue.start")["payload"]!;
        Assert.Equal(("InstanceActionRescuePayload", "1.3"), ((string?)payload["nova_object.name"], (string?)payload["nova_object.version"]));
        var data = (JObject)payload["nova_object.data"]!;
        Assert.Equal("f2e2b0a4-0000-4000-8000-000000000001", (string?)data["rescue_image_ref"]);
        data.Remove("rescue_image_ref");
        Assert.Equal(Sent("instance.pause.start")["payload"]!["nova_object.data"]!.ToString(), data.ToString());

        var legacy = (JObject)Sent("compute.instance.rescue.start")["payload"]!;
        Assert.Equal("grml", (string?)legacy["rescue_image_name"]);
        Assert.Equal(_instance.NetworkInfo.Vifs.Sum(v => v.FixedIps.Count()), legacy["fixed_ips"]!.Count());
    }

    [Fact]
    public async Task ExistsSaysItsPeriod()
    {
        var period = AuditPeriod.Current("day@6", new DateTimeOffset(2026, 11, 24, 3, 0, 0, TimeSpan.Zero));
        await Notifier().InstanceAsync(_context, _instance, InstanceEvent.Exists(period), default);

        var payload = Sent("instance.exists")["payload"]!;
        Assert.Equal(("InstanceExistsPayload", "2.0"), ((string?)payload["nova_object.name"], (string?)payload["nova_object.version"]));
        var data = (JObject)payload["nova_object.data"]!;
        Assert.False(data.ContainsKey("fault"));
        Assert.Equal("2026-11-23T06:00:00Z", (string?)data["audit_period"]!["nova_object.data"]!["audit_period_beginning"]);
        var legacy = (JObject)Sent("compute.instance.exists")["payload"]!;
        Assert.Equal(("2026-11-23 06:00:00", "2026-11-24 03:00:00"), ((string?)legacy["audit_period_beginning"], (string?)legacy["audit_period_ending"]));
    }

    [Fact]
    public async Task ErrorsAreNovasOwnButForTheWordsOfTheFault()
    {
        await Notifier().InstanceAsync(
            _context, _instance, InstanceEvent.Create.Error(new InstancePowerOffFailureException("it is stuck")) with { BlockDevices = [] }, default);

        AssertEmitted("compute.instance.create.error", "exception", "message");
        AssertEmitted("instance.create.error", "module_name", "function_name", "exception_message", "traceback");
    }

    [Fact]
    public async Task FailedMethodsAreNovasOwnAndKeepPasswordsOut()
    {
        await Notifier().ExceptionAsync(_context, "pause_instance", new InstancePowerOffFailureException("it is stuck"),
            new JObject { ["instance"] = _instance.ToPrimitive(), ["rescue_password"] = "x", ["bdms"] = null }, default);

        AssertEmitted("compute.exception", "module_name", "exception_message", "traceback");
        var legacy = Sent("pause_instance");
        Assert.Equal(("ERROR", "compute.cmp1"), ((string?)legacy["priority"], (string?)legacy["publisher_id"]));
        Assert.Equal(["instance", "bdms"], ((JObject)legacy["payload"]!["args"]!).Properties().Select(p => p.Name));
        Assert.Equal(_instance.Uuid, (string?)legacy["payload"]!["args"]!["instance"]!["uuid"]);
    }

    [Fact]
    public async Task SnapshotsAreNovasOwn()
    {
        var snapshot = InstanceEvent.Snapshot("93a19c5c-0e9e-49f8-9038-d3da2af6114c");
        await Notifier().InstanceAsync(_context, _instance, snapshot.Start, default);
        await Notifier().InstanceAsync(_context, _instance, snapshot.End, default);

        AssertEmitted("compute.instance.snapshot.start");
        AssertEmitted("instance.snapshot.start");
        AssertEmitted("compute.instance.snapshot.end");
        AssertEmitted("instance.snapshot.end");
    }

    [Fact]
    public async Task ShelvingIsNovasOwn()
    {
        foreach (var phases in new[] { InstanceEvent.Shelve, InstanceEvent.ShelveOffload, InstanceEvent.Unshelve })
        {
            foreach (var what in new[] { phases.Start, phases.End })
            {
                await Notifier().InstanceAsync(_context, _instance, what with { BlockDevices = [] }, default);
                AssertEmitted($"compute.instance.{what.Action}.{what.Phase}");
                AssertEmitted($"instance.{what.Action}.{what.Phase}");
            }
        }
    }

    [Fact]
    public async Task WhatTheOperationDidNotLoadIsLoadedAndNotKept()
    {
        foreach (var attribute in new[] { "flavor", "system_metadata", "keypairs", "tags" })
        {
            _instance.Unset(attribute);
        }

        await Notifier().InstanceAsync(_context, _instance, InstanceEvent.CreateStart("blank") with { BlockDevices = [] }, default);

        AssertEmitted("instance.create.start");
        Assert.Equal(["Instance.get_by_uuid"], _conductor.Requests);
        Assert.False(_instance.IsSet("flavor"));
    }

    [Fact]
    public async Task NothingIsBuiltOrLoadedWhenNobodyListens()
    {
        _bus.SendsUnversioned = _bus.SendsVersioned = false;
        _instance.Unset("flavor");

        await Notifier().InstanceAsync(_context, _instance, InstanceEvent.Pause.Start, default);

        Assert.Empty(_conductor.Requests);
        Assert.Empty(_bus.Messages);
    }

    [Fact]
    public async Task DisksAreShownWhenTheOptionSaysSo()
    {
        _conductor.BlockDevices.Add(new JObject { ["id"] = 1, ["instance_uuid"] = _instance.Uuid, ["volume_id"] = "v1", ["device_name"] = "/dev/vdb", ["boot_index"] = null, ["delete_on_termination"] = true, ["tag"] = null });
        _conductor.BlockDevices.Add(new JObject { ["id"] = 2, ["instance_uuid"] = _instance.Uuid, ["volume_id"] = null });

        await Notifier(blockDevices: true).InstanceAsync(_context, _instance, InstanceEvent.Pause.Start, default);

        var disk = Assert.Single(Sent("instance.pause.start")["payload"]!["nova_object.data"]!["block_devices"]!);
        Assert.Equal("{\"device_name\":\"/dev/vdb\",\"boot_index\":null,\"delete_on_termination\":true,\"volume_id\":\"v1\",\"tag\":null}",
            disk["nova_object.data"]!.ToString(Formatting.None));
    }

    [Fact]
    public async Task PayloadsOf2025AndLaterHaveShares()
    {
        var plane = new TestPlane(FakeRelease.Gazpacho, "2026.1");
        await plane.Client.LearnReleaseAsync(plane.Context, default);
        plane.Instance.Set("metadata", new JObject());

        await new Notifier(_bus, plane.Client, new ServiceHost("cmp1"), new NotifierOptions(), NullLogger<Notifier>.Instance)
            .InstanceAsync(plane.Context, plane.Instance, InstanceEvent.Pause.Start, default);

        var payload = Sent("instance.pause.start")["payload"]!;
        Assert.Equal("1.9", (string?)payload["nova_object.version"]);
        Assert.Empty(payload["nova_object.data"]!["shares"]!);
    }

    [Fact]
    public async Task AFailureToTellIsNoFailureOfTheOperation()
    {
        _bus.Broken = true;

        await Notifier().InstanceAsync(_context, _instance, InstanceEvent.Pause.Start, default);

        Assert.Empty(_bus.Messages);
    }

    private Notifier Notifier(bool blockDevices = false) =>
        new(_bus, _client, new ServiceHost("cmp1"), new NotifierOptions(blockDevices), NullLogger<Notifier>.Instance);

    private JObject Sent(string eventType) => _bus.Messages.Single(m => (string?)m["event_type"] == eventType);

    private void AssertEmitted(string eventType, params string[] except)
    {
        var expected = (JObject)Emitted.First(e => (string?)e["event_type"] == eventType).DeepClone();
        var actual = (JObject)Sent(eventType).DeepClone();
        foreach (var message in new[] { expected, actual })
        {
            foreach (var property in message.Descendants().OfType<JProperty>().Where(p => except.Contains(p.Name) && p.Value is JValue).ToList())
            {
                property.Value = "(not compared)";
            }
        }

        // Keys in Nova's payloads have no order.
        Assert.Equal(Sorted(expected).ToString(), Sorted(actual).ToString());
    }

    private static JToken Sorted(JToken token) => token switch
    {
        JObject json => new JObject(json.Properties().OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => new JProperty(p.Name, Sorted(p.Value)))),
        JArray list => new JArray(list.Select(Sorted)),
        _ => token,
    };

    private sealed class RecordingBus : INotificationBus
    {
        public bool SendsUnversioned { get; set; } = true;

        public bool SendsVersioned { get; set; } = true;

        internal bool Broken { get; set; }

        internal List<JObject> Messages { get; } = [];

        public Task SendUnversionedAsync(
            RequestContext context, string publisherId, string eventType, string priority, JToken payload, CancellationToken cancellationToken)
        {
            if (Broken)
            {
                throw new InvalidOperationException("the bus is broken");
            }

            var message = new JObject { ["publisher_id"] = publisherId, ["event_type"] = eventType, ["priority"] = priority, ["payload"] = payload };
            Messages.Add(WireJson.ParseObject(message.ToString(Formatting.None)));
            return Task.CompletedTask;
        }

        public Task SendVersionedAsync(
            RequestContext context, string publisherId, string eventType, string priority, JToken payload, CancellationToken cancellationToken) =>
            SendUnversionedAsync(context, publisherId, eventType, priority, payload, cancellationToken);
    }
}
