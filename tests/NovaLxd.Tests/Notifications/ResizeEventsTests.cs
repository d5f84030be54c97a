using Microsoft.Extensions.Logging.Abstractions;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.Tests.Fakes;

namespace NovaLxd.Tests.Notifications;

/// <summary>Against what Nova's own code emitted for the same instance and flavor (tests/wire/notifications/resize.jsonl).</summary>
public sealed class ResizeEventsTests : INotificationBus
{
    private static readonly JObject Source = (JObject)Recorded.Json("notifications/source.json");
    private static readonly DateTimeOffset Now = new(2026, 11, 24, 3, 9, 14, 250, TimeSpan.Zero);

    private readonly List<JObject> _sent = [];
    private readonly Instance _instance = NovaObject.As<Instance>((JObject)Source["instance"]!.DeepClone());
    private readonly Flavor _flavor = NovaObject.As<Flavor>((JObject)Recorded.Json("rpc/resize-zed.json")["prep_resize"]!["flavor"]!);

    public bool SendsUnversioned => true;

    public bool SendsVersioned => true;

    [Fact]
    public async Task TheyAreNovasOwn()
    {
        var conductor = new FakeConductor(FakeRelease.Zed, TimeProvider.System);
        conductor.AddInstance(_instance.Primitive);
        var context = RequestContext.From((JObject)Source["context"]!).With("service_catalog", JArray.Parse(
            """[{"type": "image", "name": "glance", "endpoints": [{"region": "R", "internalURL": "http://127.0.0.1:9292"}]}]"""));
        var notifier = new Notifier(
            this, new ConductorClient(new FakeTransport(conductor)), new ServiceHost("cmp1"), new NotifierOptions(), NullLogger<Notifier>.Instance);
        InstanceEvent[] events =
        [
            InstanceEvent.Exists(AuditPeriod.Current("month", Now)), ResizeEvents.PrepStart(_flavor),
            ResizeEvents.PrepEnd(_flavor), ResizeEvents.FinishEnd(NetworkInfo.Empty, []),
        ];
        foreach (var what in events)
        {
            await notifier.InstanceAsync(context, _instance, what, default);
        }

        foreach (var expected in Recorded.Lines("notifications/resize.jsonl").Select(WireJson.ParseObject))
        {
            var actual = Assert.Single(_sent, m => (string?)m["event_type"] == (string?)expected["event_type"]);
            Assert.Equal(Sorted(expected).ToString(), Sorted(actual).ToString());
        }
    }

    [Fact]
    public void TheUnversionedNamesAreOlder() => Assert.Equal(
        ["resize.prep.start", "resize.prep.end", "resize.start", "resize.end", "finish_resize.start", "finish_resize.end", "resize.confirm.start", "resize.confirm.end", "resize.revert.start", "resize.revert.end"],
        new[]
        {
            ResizeEvents.PrepStart(_flavor), ResizeEvents.PrepEnd(_flavor), ResizeEvents.Start(NetworkInfo.Empty, []), ResizeEvents.End(NetworkInfo.Empty, []),
            ResizeEvents.FinishStart(NetworkInfo.Empty, []), ResizeEvents.FinishEnd(NetworkInfo.Empty, []), ResizeEvents.ConfirmStart(),
            ResizeEvents.ConfirmEnd(NetworkInfo.Empty), ResizeEvents.RevertStart([]), ResizeEvents.RevertEnd([]),
        }.Select(e => e.Suffix));

    Task INotificationBus.SendUnversionedAsync(
        RequestContext context, string publisherId, string eventType, string priority, JToken payload, CancellationToken cancellationToken) =>
        Keep(publisherId, eventType, priority, payload);

    Task INotificationBus.SendVersionedAsync(
        RequestContext context, string publisherId, string eventType, string priority, JToken payload, CancellationToken cancellationToken) =>
        Keep(publisherId, eventType, priority, payload);

    private Task Keep(string publisherId, string eventType, string priority, JToken payload)
    {
        var message = new JObject { ["publisher_id"] = publisherId, ["event_type"] = eventType, ["priority"] = priority, ["payload"] = payload };
        _sent.Add(WireJson.ParseObject(message.ToString(Formatting.None)));
        return Task.CompletedTask;
    }

    private static JToken Sorted(JToken token) => token switch
    {
        JObject json => new JObject(json.Properties().OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => new JProperty(p.Name, Sorted(p.Value)))),
        JArray list => new JArray(list.Select(Sorted)),
        _ => token,
    };
}
