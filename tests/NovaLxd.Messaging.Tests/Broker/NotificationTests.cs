using Newtonsoft.Json.Linq;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging.Tests.Broker;

[Collection(BrokerCollection.Name)]
[Trait("Lane", "broker")]
public sealed class NotificationTests(SharedBroker shared)
{
    [Theory]
    [InlineData("messagingv2", true)]
    [InlineData("messaging", false)]
    public async Task MessageWaitsInAQueueTheSenderMade(string driver, bool envelope)
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var sender = new NotificationSender(bus.Transport, Options(bus, driver));

        await sender.SendUnversionedAsync(Context, "compute.h", "compute.instance.create.end", "INFO", new JObject { ["instance_id"] = "i" });

        var body = await TakeAsync($"n-{bus.Id}.info");
        Assert.Equal(envelope, body.ContainsKey("oslo.version"));
        var payload = OsloEnvelope.Open(OsloEnvelope.Unwrapped(body));
        Assert.Equal(
            ("compute.h", "compute.instance.create.end", "INFO", "i"),
            ((string?)payload["publisher_id"], (string?)payload["event_type"], (string?)payload["priority"],
                (string?)payload["payload"]!["instance_id"]));
        Assert.Matches(@"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$", (string?)payload["timestamp"]);
        Assert.Equal(36, ((string?)payload["message_id"])!.Length);
        Assert.Equal(32, ((string?)payload["_unique_id"])!.Length);
    }

    [Fact]
    public async Task TokenAndCatalogAreNeverSent()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var sender = new NotificationSender(bus.Transport, Options(bus, "messagingv2"));

        await sender.SendUnversionedAsync(Context, "p", "e", "error", new JObject());

        var payload = OsloEnvelope.Open(OsloEnvelope.Unwrapped(await TakeAsync($"n-{bus.Id}.error")));
        Assert.Equal(JTokenType.Null, payload["_context_auth_token"]!.Type);
        Assert.Empty(payload["_context_service_catalog"]!);
        Assert.Equal("alice", (string?)payload["_context_user_id"]);
        Assert.DoesNotContain("secret-token", payload.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(NotificationFormat.Unversioned, 1, 0)]
    [InlineData(NotificationFormat.Versioned, 0, 1)]
    [InlineData(NotificationFormat.Both, 1, 1)]
    public async Task FormatDecidesWhichKindIsSent(NotificationFormat format, int unversioned, int versioned)
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var sender = new NotificationSender(bus.Transport, Options(bus, "messagingv2") with { NotificationFormat = format });

        await sender.SendUnversionedAsync(Context, "p", "e", "info", new JObject());
        await sender.SendVersionedAsync(Context, "p", "e", "info", new JObject());

        var queues = (await shared.RabbitMq.ListAsync("list_queues", "name", "messages")).ToDictionary(row => row[0], row => row[1]);
        Assert.Equal($"{unversioned}", queues.GetValueOrDefault($"n-{bus.Id}.info", "0"));
        Assert.Equal($"{versioned}", queues.GetValueOrDefault($"v-{bus.Id}.info", "0"));
        Assert.Equal((unversioned == 1, versioned == 1), (sender.SendsUnversioned, sender.SendsVersioned));
    }

    [Fact]
    public async Task LogDriverWritesWithoutSecretsAndUnknownDriversAreNamed()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var sender = new NotificationSender(bus.Transport, Options(bus, "log", "noop", "carrier-pigeon"));

        await sender.SendUnversionedAsync(Context, "p", "compute.x", "info", new JObject { ["admin_password"] = "hunter2", ["ok"] = "visible" });

        Assert.True(bus.Log.Contains("oslo.messaging.notification.compute.x"));
        Assert.True(bus.Log.Contains("visible"));
        Assert.False(bus.Log.Contains("hunter2"));
        Assert.True(bus.Log.Contains("carrier-pigeon"));
    }

    [Fact]
    public async Task NoDriverSendsNothing()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var sender = new NotificationSender(bus.Transport, Options(bus));

        await sender.SendUnversionedAsync(Context, "p", "e", "info", new JObject());

        Assert.False(bus.Transport.Sending.IsConnected);
    }

    [Fact]
    public async Task UnreachableBrokerOfItsOwnIsLoggedAfterTheRetriesAndDoesNotReachTheCaller()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        var options = Options(bus, "messagingv2") with { TransportUrl = "rabbit://u:p@127.0.0.1:1/", Retry = 1 };
        await using var sender = new NotificationSender(bus.Transport, options);

        await sender.SendUnversionedAsync(Context, "p", "e", "info", new JObject());

        Assert.True(bus.Log.Contains("Notification e was not sent"));
    }

    private static RequestContext Context { get; } = RequestContext.CreateAdmin()
        .With("auth_token", "secret-token").With("user_id", "alice").With("service_catalog", new JArray(new JObject { ["type"] = "image" }));

    private static NotificationOptions Options(TestBus bus, params string[] drivers) => new()
    {
        Driver = drivers,
        Topics = [$"n-{bus.Id}"],
        VersionedNotificationsTopics = [$"v-{bus.Id}"],
    };

    private async Task<JObject> TakeAsync(string queue)
    {
        await using var raw = await RawBus.OpenAsync(shared.RabbitMq);
        var message = await raw.Channel.BasicGetAsync(queue, autoAck: true);
        return (JObject)OsloJson.Parse(System.Text.Encoding.UTF8.GetString(message!.Body.Span));
    }
}
