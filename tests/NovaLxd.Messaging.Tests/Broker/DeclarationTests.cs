using NovaLxd.Messaging.Amqp;
using RabbitMQ.Client;

namespace NovaLxd.Messaging.Tests.Broker;

/// <summary>What the broker says it has after we declared.</summary>
[Collection(BrokerCollection.Name)]
[Trait("Lane", "broker")]
public sealed class DeclarationTests(SharedBroker shared)
{
    public static TheoryData<string> Settings =>
    [
        "",
        "amqp_durable_queues=true",
        "amqp_auto_delete=true",
        "rabbit_ha_queues=true",
        "rabbit_quorum_queue=true",
        "rabbit_quorum_queue=true&rabbit_quorum_delivery_limit=5&rabbit_quorum_max_memory_length=1000&rabbit_quorum_max_memory_bytes=100000",
        "rabbit_quorum_queue=true&rabbit_transient_quorum_queue=true",
        "rabbit_quorum_queue=true&rabbit_transient_quorum_queue=true&use_queue_manager=true&hostname=node1&processname=nova",
        "rabbit_transient_quorum_queue=true&rabbit_stream_fanout=true&rabbit_qos_prefetch_count=10",
        "rabbit_transient_queues_ttl=0",
        "enable_cancel_on_failover=true",
        "rabbit_qos_prefetch_count=1",
    ];

    [Theory]
    [MemberData(nameof(Settings))]
    public async Task BrokerAcceptsTheDeclarationsAndMessagesPass(string query)
    {
        await using var bus = new TestBus(shared.RabbitMq, url: $"{shared.RabbitMq.TransportUrl}?{query}");
        var fanned = new TaskCompletionSource();
        // One transport, as in a real process: the queue manager gives each transport its own counter.
        await bus.ServeAsync(TestBus.Table(TestBus.Echo, ("fan", (_, _) =>
        {
            fanned.TrySetResult();
            return Task.FromResult<Newtonsoft.Json.Linq.JToken?>(null);
        }
        )), transport: bus.Transport);

        Assert.NotNull(await bus.Client.CallAsync(bus.Target with { Server = "host1" }, TestBus.Context, "echo", []));
        Assert.NotNull(await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []));
        await bus.Client.FanoutAsync(bus.Target, TestBus.Context, "fan", []);
        await fanned.Task.WaitAsync(TestBus.Long);

        var listed = (await shared.RabbitMq.ListAsync("list_queues", "name", "durable", "auto_delete", "type"))
            .Where(row => row[0].Contains(bus.Id, StringComparison.Ordinal)).ToDictionary(row => row[0]);
        var options = BrokerAddress.Create($"rabbit://h/?{query}", new RabbitOptions()).Options;
        var durable = options.AmqpDurableQueues || options.RabbitQuorumQueue;
        var type = options.RabbitQuorumQueue ? "quorum" : "classic";
        Assert.Equal([bus.Topic, $"{durable}", $"{options.AmqpAutoDelete}", type], listed[bus.Topic], StringComparer.OrdinalIgnoreCase);
        var fanout = listed.Values.Single(row => row[0].StartsWith($"{bus.Topic}_fanout", StringComparison.Ordinal));
        Assert.Equal($"{options.RabbitTransientQuorumQueue}", fanout[1], ignoreCase: true);
        if (options.RabbitStreamFanout)
        {
            Assert.Equal(($"{bus.Topic}_fanout", "stream"), (fanout[0], fanout[3]));
        }
        else if (options.UseQueueManager)
        {
            Assert.Equal($"{bus.Topic}_fanout_node1:nova:1", fanout[0]);
        }
    }

    [Fact]
    public async Task StreamIsReadOnFromWhereItWasLeft()
    {
        var options = TestBus.Quick with { RabbitTransientQuorumQueue = true, RabbitStreamFanout = true, RabbitQosPrefetchCount = 5 };
        await using var bus = new TestBus(shared.RabbitMq, options);
        await using var raw = await RawBus.OpenAsync(shared.RabbitMq);
        var seen = new System.Collections.Concurrent.ConcurrentQueue<int>();
        var transport = bus.NewTransport();
        await bus.ServeAsync(TestBus.Table(("fan", (request, _) =>
        {
            seen.Enqueue((int)request.Arguments["i"]!);
            return Task.FromResult<Newtonsoft.Json.Linq.JToken?>(null);
        }
        )), transport: transport);
        await bus.Client.FanoutAsync(bus.Target, TestBus.Context, "fan", new() { ["i"] = 1 });
        await Eventually.HoldsAsync(() => seen.Contains(1), "the first");
        var since = transport.Listening.Since;

        await CloseConnectionsAsync(transport);
        await bus.Client.FanoutAsync(bus.Target, TestBus.Context, "fan", new() { ["i"] = 2 });

        await Eventually.HoldsAsync(() => seen.Contains(2), "the second");
        Assert.NotEqual(since, transport.Listening.Since);
        Assert.Equal([1, 2], seen);
    }

    [Fact]
    public async Task DifferentArgumentsAreReportedWithWhatToDo()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var raw = await RawBus.OpenAsync(shared.RabbitMq);
        await raw.Channel.QueueDeclareAsync(
            bus.Topic, durable: false, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-expires"] = 600000 });

        var error = await Assert.ThrowsAsync<DeclarationRefusedException>(() => bus.ServeAsync(TestBus.Table(TestBus.Echo)));

        Assert.Contains($"queue '{bus.Topic}'", error.Message, StringComparison.Ordinal);
        Assert.Contains("inequivalent arg 'x-expires'", error.Message, StringComparison.Ordinal);
        Assert.Contains("[oslo_messaging_rabbit]", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ServerRecoversOnceTheForeignQueueIsGone()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var raw = await RawBus.OpenAsync(shared.RabbitMq);
        await raw.Channel.QueueDeclareAsync(
            bus.Topic, durable: false, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-expires"] = 600000 });
        await using var server = new RpcServer(bus.NewTransport(), [bus.Topic], "host1", TestBus.Table(TestBus.Echo));
        await Assert.ThrowsAsync<DeclarationRefusedException>(() => server.StartAsync(default));

        await raw.Channel.QueueDeleteAsync(bus.Topic);

        Assert.NotNull(await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []));
    }

    [Fact]
    public async Task ExchangeThatIsNotDurableIsUsedAsItIsByServerAndClient()
    {
        await using var bus = new TestBus(shared.RabbitMq, TestBus.Quick with { AmqpDurableQueues = true });
        await using var raw = await RawBus.OpenAsync(shared.RabbitMq);
        await raw.Channel.ExchangeDeclareAsync(bus.Options.ControlExchange, "topic", durable: false, autoDelete: false);

        await bus.ServeAsync(TestBus.Table(TestBus.Echo));

        Assert.NotNull(await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []));
        Assert.True(bus.Log.Contains("is not durable"));
    }

    [Fact]
    public async Task PublisherIsToldOfAnExchangeOfAnotherType()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var raw = await RawBus.OpenAsync(shared.RabbitMq);
        await raw.Channel.ExchangeDeclareAsync(bus.Options.ControlExchange, "direct", durable: false, autoDelete: false);

        var error = await Assert.ThrowsAsync<DeclarationRefusedException>(() => bus.Client.CastAsync(bus.Target, TestBus.Context, "m", []));

        Assert.Contains("inequivalent arg 'type'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DeletedQueueIsDeclaredAndConsumedAgain()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var raw = await RawBus.OpenAsync(shared.RabbitMq);
        await bus.ServeAsync(TestBus.Table(TestBus.Echo));

        await raw.Channel.QueueDeleteAsync($"{bus.Topic}.host1");

        Assert.NotNull(await bus.Client.CallAsync(bus.Target with { Server = "host1" }, TestBus.Context, "echo", []));
        Assert.True(bus.Log.Contains("the broker cancelled the consumer"));
    }

    private async Task CloseConnectionsAsync(RabbitTransport transport)
    {
        var lost = transport.Listening.Since;
        await shared.RabbitMq.RabbitmqctlAsync("close_all_connections", "test");
        await Eventually.HoldsAsync(() => transport.Listening is { IsConnected: true } state && state.Since != lost, "the reconnect");
    }
}
