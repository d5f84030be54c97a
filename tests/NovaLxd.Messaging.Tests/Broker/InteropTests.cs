using System.Collections.Concurrent;
using Newtonsoft.Json.Linq;

namespace NovaLxd.Messaging.Tests.Broker;

/// <summary>Our server and client against the real oslo.messaging, with Nova's own contexts and exceptions.</summary>
[Collection(BrokerCollection.Name)]
[Trait("Lane", "broker")]
public sealed class InteropTests(SharedBroker shared)
{
    [Fact]
    public async Task OurServerAnswersTheClientOfOslo()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        var noted = new ConcurrentQueue<string>();
        var table = TestBus.Table(
            ("echo", (request, _) => Task.FromResult<JToken?>(
                new JObject { ["context"] = request.Context.ToJson(), ["args"] = request.Arguments, ["version"] = request.Version })),
            ("nothing", (_, _) => Task.FromResult<JToken?>(null)),
            ("note", (request, _) =>
            {
                noted.Enqueue((string)request.Arguments["text"]!);
                return Task.FromResult<JToken?>(null);
            }
        ),
            ("slow", async (_, token) =>
            {
                await Task.Delay(TimeSpan.FromSeconds(20), token);
                return "done";
            }
        ),
            ("fail", (_, _) => throw new RpcFailureException(RemoteFailure.Nova(
                "InstanceNotFound", "Instance x could not be found.", 404, new JObject { ["instance_id"] = "x" }))),
            ("fail_builtin", (_, _) => throw new RpcFailureException(RemoteFailure.Builtin("NotImplementedError", "not here"))),
            ("fail_own", (_, _) => throw new InvalidOperationException("disk on fire")));
        table.AddBaseApi("compute");
        await bus.ServeAsync(table);
        await using var client = await PythonPeer.StartAsync("oslo_client.py", bus);

        var echo = await client.AskAsync(Call(bus, "echo", new JObject { ["a"] = new JArray(1, "ü", null!) }));
        Assert.True(echo["result"] is not null, echo.ToString());
        Assert.Equal("alice", (string?)echo["result"]!["context"]!["user_id"]);
        Assert.Equal((string?)echo["request_id"], (string?)echo["result"]!["context"]!["request_id"]);
        Assert.Equal("ü", (string?)echo["result"]!["args"]!["a"]![1]);
        Assert.Equal("6.0", (string?)echo["result"]!["version"]);

        Assert.Equal(JTokenType.Null, (await client.AskAsync(Call(bus, "nothing")))["result"]!.Type);
        var ping = await client.AskAsync(Call(bus, "ping", new JObject { ["arg"] = "x" }, ("namespace", "baseapi"), ("version", "1.0")));
        Assert.Equal("compute", (string?)ping["result"]!["service"]);

        var failure = await client.AskAsync(Call(bus, "fail"));
        Assert.Equal(("InstanceNotFound_Remote", "nova.exception_Remote"), ((string?)failure["class"], (string?)failure["module"]));
        Assert.StartsWith("Instance x could not be found.", (string?)failure["text"], StringComparison.Ordinal);
        Assert.Equal((404, "x"), ((int?)failure["kwargs"]!["code"], (string?)failure["kwargs"]!["instance_id"]));
        Assert.Equal("NotImplementedError", (string?)(await client.AskAsync(Call(bus, "fail_builtin")))["class"]);
        var own = await client.AskAsync(Call(bus, "fail_own"));
        Assert.Equal(("RemoteError", "InvalidOperationException"), ((string?)own["class"], (string?)own["exc_type"]));
        Assert.Equal("NoSuchMethod", (string?)(await client.AskAsync(Call(bus, "unknown")))["exc_type"]);
        Assert.Equal("UnsupportedVersion", (string?)(await client.AskAsync(Call(bus, "echo", null, ("version", "6.99"))))["exc_type"]);

        // Twenty seconds of work under a monitor of sixteen: our heartbeats keep oslo's client waiting. Each may be late by eight.
        Assert.Equal("done", (string?)(await client.AskAsync(Call(bus, "slow", null, ("monitor", 16))))["result"]);

        await client.AskAsync(Call(bus, "note", new JObject { ["text"] = "cast" }, ("kind", "cast")));
        await client.AskAsync(Call(bus, "note", new JObject { ["text"] = "fanout" }, ("kind", "fanout"), ("server", null)));
        await Eventually.HoldsAsync(() => noted.Count == 2, "cast and fanout");
        Assert.Equal(["cast", "fanout"], noted.Order());
    }

    [Fact]
    public async Task OurClientUsesTheServerOfOslo()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var server = await PythonPeer.StartAsync(
            "oslo_server.py", bus, more: new JObject { ["topic"] = bus.Topic, ["server"] = "host1" });
        var target = new RpcTarget(bus.Topic, "host1", Version: "3.0");
        var context = RequestContext.CreateAdmin();

        var echo = await bus.Client.CallAsync(target, context, "echo", new JObject { ["a"] = "ü" });
        Assert.Equal("ü", (string?)echo!["args"]!["a"]);
        Assert.Equal(context.RequestId, (string?)echo["context"]!["request_id"]);
        Assert.Null(await bus.Client.CallAsync(target with { Server = null }, context, "nothing", []));

        var failure = await Assert.ThrowsAsync<RemoteFailureException>(
            () => bus.Client.CallAsync(target, context, "fail", new JObject { ["instance_id"] = "x" }));
        Assert.True(failure.IsNova("InstanceNotFound"));
        Assert.Equal("Instance x could not be found.", failure.Failure.Message);
        Assert.Equal((404, "x"), ((int?)failure.Failure.Kwargs["code"], (string?)failure.Failure.Kwargs["instance_id"]));
        Assert.StartsWith("Traceback", failure.Failure.Traceback[0], StringComparison.Ordinal);
        var builtin = await Assert.ThrowsAsync<RemoteFailureException>(() => bus.Client.CallAsync(target, context, "fail_builtin", []));
        Assert.Equal(("builtins", "ValueError", "wrong value"), (builtin.Failure.Module, builtin.Failure.Class, builtin.Failure.Message));
        var unknown = await Assert.ThrowsAsync<RemoteFailureException>(() => bus.Client.CallAsync(target, context, "unknown", []));
        Assert.Equal("NoSuchMethod", unknown.Failure.Class);

        // Oslo's heartbeats keep us waiting.
        var slow = await bus.Client.CallAsync(target, context, "slow", new JObject { ["seconds"] = 20 }, TestBus.Long, TimeSpan.FromSeconds(16));
        Assert.Equal("done", (string?)slow);

        await bus.Client.CastAsync(target, context, "note", new JObject { ["text"] = "cast" });
        Assert.Equal("cast", (string?)(await server.ReadAsync())["note"]!["text"]);
        await bus.Client.FanoutAsync(target, context, "note", new JObject { ["text"] = "fanout" });
        Assert.Equal("fanout", (string?)(await server.ReadAsync())["note"]!["text"]);
    }

    public static TheoryData<string> SharedSettings =>
    [
        "{}",
        """{"amqp_durable_queues": true}""",
        """{"amqp_auto_delete": true}""",
        """{"rabbit_ha_queues": true, "rabbit_transient_queues_ttl": 600}""",
        """{"rabbit_quorum_queue": true, "rabbit_quorum_delivery_limit": 4, "rabbit_quroum_max_memory_length": 500}""",
        """{"enable_cancel_on_failover": true, "rabbit_qos_prefetch_count": 3}""",
        """{"kombu_compression": "gzip"}""",
    ];

    [Theory]
    [MemberData(nameof(SharedSettings))]
    public async Task OsloDeclaresTheSameAndBothServeOneTopic(string settings)
    {
        var shape = JObject.Parse(settings);
        var options = shape.Properties().Aggregate(TestBus.Quick, (all, option) => all.With(option.Name, option.Value.ToString()));
        await using var bus = new TestBus(shared.RabbitMq, options);
        // Theirs first, then ours on the very same queues: the broker would refuse any difference.
        await using var server = await PythonPeer.StartAsync(
            "oslo_server.py", bus, shape, new JObject { ["topic"] = bus.Topic, ["server"] = "host1" });
        await bus.ServeAsync(TestBus.Table(TestBus.Echo));
        await bus.ServeAsync(TestBus.Table(TestBus.Echo), "host2");

        Assert.False(bus.Log.Contains("is not durable"));

        var queues = await shared.RabbitMq.ListAsync("list_queues", "name", "durable", "auto_delete", "arguments");
        var mine = queues.Where(row => row[0].Contains(bus.Id, StringComparison.Ordinal))
            .ToDictionary(row => row[0], row => string.Join(' ', row[1..]));
        Assert.Equal(mine[$"{bus.Topic}.host1"], mine[$"{bus.Topic}.host2"]); // one declared by oslo first, one by us alone
        var fanouts = mine.Where(pair => pair.Key.StartsWith($"{bus.Topic}_fanout_", StringComparison.Ordinal)).Select(pair => pair.Value).ToList();
        Assert.Equal(3, fanouts.Count);
        Assert.Single(fanouts.Distinct());
    }

    [Fact]
    public async Task OslosListenerUnderstandsOurNotifications()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var listener = await PythonPeer.StartAsync(
            "oslo_listener.py", bus, more: new JObject { ["topics"] = new JArray($"n-{bus.Id}") });
        await using var sender = new NotificationSender(
            bus.Transport, new NotificationOptions { Driver = ["messagingv2", "messaging"], Topics = [$"n-{bus.Id}"] });

        await sender.SendUnversionedAsync(
            TestBus.Context.With("user_id", "alice"), "compute.h", "compute.instance.create.end", "info", new JObject { ["instance_id"] = "i" });

        for (var i = 0; i < 2; i++)
        {
            var seen = await listener.ReadAsync();
            Assert.Equal(
                ("info", "compute.h", "compute.instance.create.end", "i", "alice"),
                ((string?)seen["priority"], (string?)seen["publisher_id"], (string?)seen["event_type"], (string?)seen["payload"]!["instance_id"],
                    (string?)seen["context"]!["user_id"]));
        }
    }

    private static JObject Call(TestBus bus, string method, JObject? arguments = null, params (string Key, JToken? Value)[] more)
    {
        var request = new JObject
        {
            ["kind"] = "call",
            ["topic"] = bus.Topic,
            ["server"] = "host1",
            ["version"] = "6.0",
            ["method"] = method,
            ["args"] = arguments ?? [],
        };
        foreach (var (key, value) in more)
        {
            request[key] = value;
        }

        return request;
    }
}
