using System.Collections.Concurrent;
using Newtonsoft.Json.Linq;
using NovaLxd.TestCloud.RabbitMq;

namespace NovaLxd.Messaging.Tests.Broker;

/// <summary>Two brokers that know nothing of each other and are stopped and killed by the tests, which run one after another.</summary>
public sealed class FaultBrokers : IAsyncLifetime
{
    public RabbitMqFixture A { get; private set; } = null!;

    public RabbitMqFixture B { get; private set; } = null!;

    public async Task InitializeAsync() => (A, B) = (await RabbitMqFixture.StartAsync(), await RabbitMqFixture.StartAsync());

    public async Task DisposeAsync()
    {
        await A.DisposeAsync();
        await B.DisposeAsync();
    }
}

[Trait("Lane", "broker")]
public sealed class FaultTests(FaultBrokers brokers) : IClassFixture<FaultBrokers>
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task CallsGoOnAfterTheBrokerWasAway(bool killed)
    {
        await using var bus = new TestBus(brokers.A);
        await bus.ServeAsync(TestBus.Table(TestBus.Echo));
        await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []);
        var reply = bus.Transport.Replies.Name;

        await AwayAsync(killed);

        Assert.NotNull(await bus.Client.CallAsync(bus.Target with { Server = "host1" }, TestBus.Context, "echo", []));
        Assert.NotNull(await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []));
        Assert.Equal(reply, bus.Transport.Replies.Name);
        Assert.True(bus.Transport.Listening is { IsConnected: true, LastError: not null, LastErrorAt: not null });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task CallInFlightWhileTheBrokerWasAwayGetsItsReply(bool killed)
    {
        await using var bus = new TestBus(brokers.A);
        var (started, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        var runs = 0;
        await bus.ServeAsync(TestBus.Table(("m", async (_, _) =>
        {
            Interlocked.Increment(ref runs);
            started.TrySetResult();
            await release.Task;
            return "survived";
        }
        )));
        var call = bus.Client.CallAsync(bus.Target, TestBus.Context, "m", [], TestBus.Long * 2, TestBus.Long * 2);
        await started.Task.WaitAsync(TestBus.Long);

        await AwayAsync(killed);
        release.SetResult();

        Assert.Equal("survived", (string?)await call);
        Assert.Equal(1, runs);
    }

    [Fact]
    public async Task HandlerThatEndsWhileTheBrokerIsAwayRepliesWhenItIsBack()
    {
        await using var bus = new TestBus(brokers.A);
        var (started, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        await bus.ServeAsync(TestBus.Table(("m", async (_, _) =>
        {
            started.TrySetResult();
            await release.Task;
            return "kept";
        }
        )));
        var call = bus.Client.CallAsync(bus.Target, TestBus.Context, "m", [], TestBus.Long * 2);
        await started.Task.WaitAsync(TestBus.Long);

        await brokers.A.StopAsync();
        release.SetResult();
        await brokers.A.StartAgainAsync();

        Assert.Equal("kept", (string?)await call);
    }

    [Fact]
    public async Task NothingIsLostOrRunTwiceWhenTheBrokerIsKilledAmongCasts()
    {
        await using var bus = new TestBus(brokers.A, TestBus.Quick with { AmqpDurableQueues = true });
        var runs = new ConcurrentQueue<int>();
        var server = await bus.ServeAsync(TestBus.Table(("m", (request, _) =>
        {
            runs.Enqueue((int)request.Arguments["i"]!);
            return Task.FromResult<JToken?>(null);
        }
        )));

        var away = Task.CompletedTask;
        for (var i = 0; i < 100; i++)
        {
            // A message whose acknowledgement dies with the broker comes again, and is known again while it is among the last sixteen, as with oslo: the
            // consumer must not fall behind until then.
            var least = Math.Min(i, 40) - 4;
            await Eventually.HoldsAsync(() => runs.Count >= least, "the consumer close behind");
            if (i == 40)
            {
                away = AwayAsync(killed: true);
            }

            await bus.Client.CastAsync(bus.Target with { Server = "host1" }, TestBus.Context, "m", new JObject { ["i"] = i });
        }

        await away;
        await Eventually.HoldsAsync(() => runs.Distinct().Count() == 100, "all casts");
        await Eventually.HoldsAsync(() => server.InProgress.Count == 0, "the end of all that was taken");
        Assert.Equal(Enumerable.Range(0, 100), runs.Order());
    }

    [Fact]
    public async Task ServerAndClientStartBeforeTheBroker()
    {
        await brokers.A.StopAsync();
        await using var bus = new TestBus(brokers.A);
        var serving = bus.ServeAsync(TestBus.Table(TestBus.Echo));
        var call = bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", [], TestBus.Long * 2);
        await Eventually.HoldsAsync(() => bus.Log.Contains("cannot be reached to listen"), "a failed attempt");
        Assert.False(bus.Transport.Listening.IsConnected);

        await brokers.A.StartAgainAsync();

        await serving;
        Assert.NotNull(await call);
    }

    [Fact]
    public async Task CallThatCannotBeSentInTimeSaysWhy()
    {
        await brokers.A.StopAsync();
        await using var bus = new TestBus(brokers.A);
        await Assert.ThrowsAsync<MessageDeliveryException>(() => bus.Transport.Listen.ConnectedAsync(0, default)); // the first attempt is over

        var error = await Assert.ThrowsAsync<RpcTimeoutException>(
            () => bus.Client.CallAsync(bus.Target, TestBus.Context, "m", [], TimeSpan.FromSeconds(5)));
        await brokers.A.StartAgainAsync();

        Assert.Contains("could not be sent", error.Message, StringComparison.Ordinal);
        Assert.Contains("refused", error.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task AnotherBrokerOfTheUrlTakesOverAndBack()
    {
        var url = $"rabbit://{RabbitMqFixture.Credentials}@127.0.0.1:{brokers.A.Port},{RabbitMqFixture.Credentials}@127.0.0.1:{brokers.B.Port}/";
        await using var bus = new TestBus(brokers.A, url: url);
        await brokers.A.KillAsync();
        await bus.ServeAsync(TestBus.Table(TestBus.Echo));
        Assert.NotNull(await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []));
        Assert.Equal($"127.0.0.1:{brokers.B.Port}", bus.Transport.Sending.Host);

        await brokers.A.StartAgainAsync();
        await brokers.B.StopAsync();

        Assert.NotNull(await bus.Client.CallAsync(bus.Target with { Server = "host1" }, TestBus.Context, "echo", []));
        Assert.Equal($"127.0.0.1:{brokers.A.Port}", bus.Transport.Sending.Host);
        await brokers.B.StartAgainAsync();
    }

    [Fact]
    public async Task ConnectionThatFallsSilentIsGivenUpByHeartbeatAndReplaced()
    {
        await using var proxy = new SilentProxy(brokers.A.Port);
        var rabbit = TestBus.Quick with { HeartbeatTimeoutThreshold = 1 };
        await using var bus = new TestBus(brokers.A, rabbit, url: $"rabbit://{RabbitMqFixture.Credentials}@127.0.0.1:{proxy.Port}/");
        await bus.ServeAsync(TestBus.Table(TestBus.Echo));
        await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []);
        var (before, silent) = (proxy.Connections, TimeProvider.System.GetUtcNow());

        proxy.FallSilent();
        var call = bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", new JObject { ["a"] = 1 }, TestBus.Long * 2);
        await Eventually.HoldsAsync(
            () => bus.Transport.Listening.LastErrorAt > silent && bus.Transport.Sending.LastErrorAt > silent, "both connections given up");
        proxy.Speak();

        Assert.Equal(1, (int?)(await call)!["a"]);
        Assert.True(proxy.Connections > before);
    }

    [Fact]
    public async Task SilentBrokerIsLeftForAnotherOne()
    {
        await using var proxy = new SilentProxy(brokers.A.Port);
        proxy.FallSilent(); // accepts connections and never says a word
        var url = $"rabbit://{RabbitMqFixture.Credentials}@127.0.0.1:{proxy.Port},{RabbitMqFixture.Credentials}@127.0.0.1:{brokers.B.Port}/";
        while (proxy.Connections == 0) // the order of the hosts is drawn anew each time
        {
            await using var bus = new TestBus(brokers.A, url: url);
            await bus.ServeAsync(TestBus.Table(TestBus.Echo));

            Assert.NotNull(await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []));

            Assert.Equal($"127.0.0.1:{brokers.B.Port}", bus.Transport.Listening.Host);
        }
    }

    [Fact]
    public async Task BlockedBrokerIsWaitedFor()
    {
        await using var bus = new TestBus(brokers.A);
        var runs = 0;
        await bus.ServeAsync(TestBus.Table(("m", (_, _) =>
        {
            Interlocked.Increment(ref runs);
            return Task.FromResult<JToken?>(null);
        }
        )));
        await bus.Client.CastAsync(bus.Target, TestBus.Context, "m", []);
        await brokers.A.RabbitmqctlAsync("set_vm_memory_high_watermark", "absolute", "1MB");
        try
        {
            List<Task> casts = [];
            await Eventually.HoldsAsync(
                () =>
                {
                    // A connection is blocked when it sends after the alarm has come to it, which may be a moment after it was raised.
                    casts.Add(bus.Client.CastAsync(bus.Target, TestBus.Context, "m", []));
                    return bus.Transport.Sending.BlockedReason is not null;
                },
                "the block");
            casts.AddRange(Enumerable.Range(0, 5).Select(_ => bus.Client.CastAsync(bus.Target, TestBus.Context, "m", [])));
            Assert.All(casts.TakeLast(5), cast => Assert.False(cast.IsCompleted));

            await brokers.A.RabbitmqctlAsync("set_vm_memory_high_watermark", "absolute", "4GB");
            await Task.WhenAll(casts).WaitAsync(TestBus.Long);
            await Eventually.HoldsAsync(() => Volatile.Read(ref runs) == casts.Count + 1, "all casts");
            await Eventually.HoldsAsync(() => bus.Transport.Sending.BlockedReason is null, "the end of the block");
        }
        finally
        {
            await brokers.A.RabbitmqctlAsync("set_vm_memory_high_watermark", "absolute", "4GB");
        }
    }

    [Fact]
    public async Task ShutdownDoesNotHangWhileTheBrokerIsAway()
    {
        var bus = new TestBus(brokers.A);
        var server = await bus.ServeAsync(TestBus.Table(TestBus.Echo));
        await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []);
        await Eventually.HoldsAsync(() => server.InProgress.Count == 0, "the reply sent");
        await brokers.A.KillAsync();

        Assert.Empty(await server.StopAsync(TestBus.Long, default).WaitAsync(TestBus.Long));
        await bus.DisposeAsync().AsTask().WaitAsync(TestBus.Long);

        await brokers.A.StartAgainAsync();
    }

    [Fact]
    public async Task ServerThatStoppedWhileTheBrokerWasAwayTakesNothingWhenItIsBack()
    {
        await using var bus = new TestBus(brokers.A, TestBus.Quick with { AmqpDurableQueues = true });
        var transport = bus.NewTransport();
        var server = await bus.ServeAsync(TestBus.Table(TestBus.Echo), transport: transport);
        await brokers.A.StopAsync();
        await Eventually.HoldsAsync(() => !transport.Listening.IsConnected, "the loss");

        Assert.Empty(await server.StopAsync(TestBus.Long, default));
        await brokers.A.StartAgainAsync();
        await Eventually.HoldsAsync(() => transport.Listening.IsConnected, "the reconnect");
        await bus.Client.CastAsync(bus.Target with { Server = "host1" }, TestBus.Context, "echo", []);

        // It waits for another worker. When the broker has told us so, whatever was to take it would have.
        Assert.Equal(
            "1", (await brokers.A.ListAsync("list_queues", "name", "messages_ready")).Single(row => row[0] == $"{bus.Topic}.host1")[1]);
        Assert.False(bus.Log.Contains("came after the server stopped"));
    }

    private async Task AwayAsync(bool killed)
    {
        await (killed ? brokers.A.KillAsync() : brokers.A.StopAsync());
        await brokers.A.StartAgainAsync();
    }
}
