using System.Collections.Concurrent;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging.Tests.Broker;

[Collection(BrokerCollection.Name)]
[Trait("Lane", "broker")]
public sealed class RpcServerRulesTests(SharedBroker shared)
{
    [Fact]
    public async Task MessageDeliveredTwiceRunsOnce()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var raw = await RawBus.OpenAsync(shared.RabbitMq);
        var runs = new ConcurrentQueue<string>();
        await bus.ServeAsync(TestBus.Table(("m", Note(runs, "m")), ("last", Note(runs, "last"))));
        var body = OsloEnvelope.Wrap(RawBus.Request("m"));

        await raw.PublishAsync(bus.Options.ControlExchange, bus.Topic, body);
        await raw.PublishAsync(bus.Options.ControlExchange, $"{bus.Topic}.host1", body); // the ring is one for the three queues
        await Eventually.HoldsAsync(() => bus.Log.Contains("came twice"), "the duplicate");
        await raw.PublishAsync(bus.Options.ControlExchange, bus.Topic, OsloEnvelope.Wrap(RawBus.Request("last")));

        await Eventually.HoldsAsync(() => runs.Contains("last"), "the last message");
        Assert.Equal(["last", "m"], runs.Order());
    }

    [Fact]
    public async Task MessageIsAcknowledgedBeforeItsHandlerEnds()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        var (started, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        await bus.ServeAsync(TestBus.Table(("m", async (_, _) =>
        {
            started.TrySetResult();
            await release.Task;
            return null;
        }
        )));
        await bus.Client.CastAsync(bus.Target, TestBus.Context, "m", []);
        await started.Task.WaitAsync(TestBus.Long);

        await Eventually.HoldsAsync(async () =>
        {
            var rows = await shared.RabbitMq.ListAsync("list_queues", "name", "messages_ready", "messages_unacknowledged");
            return rows.Single(row => row[0] == bus.Topic) is [_, "0", "0"];
        }, "no message left at the broker");

        release.SetResult();
    }

    [Fact]
    public async Task UnreadableMessagesAreRejectedForGoodAndTheNextIsServed()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var raw = await RawBus.OpenAsync(shared.RabbitMq);
        await bus.ServeAsync(TestBus.Table(TestBus.Echo));

        await raw.PublishAsync(bus.Options.ControlExchange, bus.Topic, """{"oslo.version": "3.0", "oslo.message": "{}"}"""u8.ToArray());
        await raw.PublishAsync(bus.Options.ControlExchange, bus.Topic, "rubbish"u8.ToArray());
        await raw.PublishAsync(bus.Options.ControlExchange, bus.Topic, """{"args": {}}"""u8.ToArray());

        await Eventually.HoldsAsync(() => bus.Log.Errors.Count(line => line.Contains("is rejected", StringComparison.Ordinal)) == 3, "three rejects");
        Assert.NotNull(await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []));

        // Rejections and acknowledgements leave by another connection than the reply.
        await Eventually.HoldsAsync(
            async () => (await shared.RabbitMq.ListAsync("list_queues", "name", "messages")).Single(row => row[0] == bus.Topic)[1] == "0", "an empty queue");
    }

    [Fact]
    public async Task BodyWithoutEnvelopeIsServed()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var raw = await RawBus.OpenAsync(shared.RabbitMq);
        var runs = new ConcurrentQueue<string>();
        await bus.ServeAsync(TestBus.Table(("m", Note(runs, "m"))));

        await raw.PublishAsync(bus.Options.ControlExchange, bus.Topic, OsloEnvelope.Unwrapped(RawBus.Request("m")));

        await Eventually.HoldsAsync(() => runs.Count == 1, "the message");
    }

    [Fact]
    public async Task LongCallsDoNotHoldUpOthersAndNoMoreRunThanAllowed()
    {
        await using var bus = new TestBus(shared.RabbitMq, options: new MessagingOptions { ExecutorThreadPoolSize = 3 });
        var release = new TaskCompletionSource();
        var (running, most) = (0, 0);
        await bus.ServeAsync(TestBus.Table(("long", async (_, _) =>
        {
            var now = Interlocked.Increment(ref running);
            InterlockedMax(ref most, now);
            await release.Task;
            Interlocked.Decrement(ref running);
            return null;
        }
        ), TestBus.Echo));
        await bus.Client.CastAsync(bus.Target, TestBus.Context, "long", []);
        await bus.Client.CastAsync(bus.Target, TestBus.Context, "long", []);

        Assert.NotNull(await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []));

        for (var i = 0; i < 6; i++)
        {
            await bus.Client.CastAsync(bus.Target, TestBus.Context, "long", []);
        }

        await Eventually.HoldsAsync(() => Volatile.Read(ref running) == 3, "three handlers");
        await Eventually.HoldsAsync(
            async () => (await shared.RabbitMq.ListAsync("list_queues", "name", "messages")).Single(row => row[0] == bus.Topic)[1] == "0",
            "all read");
        release.SetResult();
        await Eventually.HoldsAsync(() => Volatile.Read(ref running) == 0, "all done");
        Assert.Equal(3, most);
    }

    [Fact]
    public async Task TopicsHaveHandlersOfTheirOwn()
    {
        await using var bus = new TestBus(shared.RabbitMq, options: new MessagingOptions { ExecutorThreadPoolSize = 1 });
        var release = new TaskCompletionSource();
        var alt = $"{bus.Topic}-alt";
        await bus.ServeAsync(TestBus.Table(("long", async (_, _) =>
        {
            await release.Task;
            return null;
        }
        ), TestBus.Echo), topics: [bus.Topic, alt]);
        await bus.Client.CastAsync(bus.Target, TestBus.Context, "long", []);

        Assert.NotNull(await bus.Client.CallAsync(bus.Target with { Topic = alt, Server = "host1" }, TestBus.Context, "echo", []));

        release.SetResult();
    }

    [Fact]
    public async Task ReplyAndHeartbeatHaveTheFormOfOslo()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var raw = await RawBus.OpenAsync(shared.RabbitMq);
        var beaten = new TaskCompletionSource();
        await bus.ServeAsync(TestBus.Table(("slow", async (_, token) =>
        {
            await beaten.Task.WaitAsync(token);
            return 7;
        }
        )));
        var replies = await raw.CollectAsync($"reply_{bus.Id}");
        var request = RawBus.Request("slow", $"reply_{bus.Id}", timeout: 2);

        await raw.PublishAsync(bus.Options.ControlExchange, $"{bus.Topic}.host1", OsloEnvelope.Wrap(request));

        await Eventually.HoldsAsync(() => replies.Count >= 2, "two heartbeats");
        beaten.SetResult();
        await Eventually.HoldsAsync(() => replies.Any(reply => (bool)reply.Payload["ending"]!), "the reply");
        var all = replies.ToArray();
        Assert.All(all, reply => Assert.Equal(
            ["_msg_id", "_unique_id", "ending", "failure", "result"], reply.Payload.Properties().Select(p => p.Name).Order(StringComparer.Ordinal)));
        Assert.All(all, reply => Assert.Equal((string?)request["_msg_id"], (string?)reply.Payload["_msg_id"]));
        Assert.Equal(all.Length, all.Select(reply => (string?)reply.Payload["_unique_id"]).Distinct().Count());
        Assert.All(all[..^1], beat => Assert.True(beat.Payload["result"]!.Type == JTokenType.Null && !(bool)beat.Payload["ending"]!));
        Assert.Equal(7, (int?)all[^1].Payload["result"]);
        var properties = all[^1].Properties;
        Assert.Equal(("application/json", "utf-8"), (properties.ContentType, properties.ContentEncoding));
        Assert.False(properties.IsExpirationPresent());
    }

    [Fact]
    public async Task CallCarriesItsTimeoutAsExpirationAndACastNone()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var raw = await RawBus.OpenAsync(shared.RabbitMq);
        await raw.Channel.ExchangeDeclareAsync(bus.Options.ControlExchange, "topic", durable: false, autoDelete: false);
        var requests = await raw.CollectAsync($"spy_{bus.Id}", bus.Options.ControlExchange, "conductor");
        var target = new RpcTarget("conductor", Namespace: "baseapi", Version: "1.0");

        await bus.Client.CastAsync(target, TestBus.Context, "ping", new JObject { ["arg"] = "x" });
        await Assert.ThrowsAsync<RpcTimeoutException>(() => bus.Client.CallAsync(
            target, TestBus.Context, "ping", new JObject { ["arg"] = "x" }, TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(60)));

        await Eventually.HoldsAsync(() => requests.Count == 2, "both requests");
        var (cast, call) = (requests.ToArray()[0], requests.ToArray()[1]);
        Assert.False(cast.Properties.IsExpirationPresent());
        Assert.Equal("15000", call.Properties.Expiration);
        Assert.Equal(60, (int?)call.Payload["_timeout"]);
        Assert.StartsWith("reply_", (string?)call.Payload["_reply_q"], StringComparison.Ordinal);
        Assert.DoesNotContain("_msg_id", cast.Payload.Properties().Select(p => p.Name));
    }

    [Fact]
    public async Task ReplyToAQueueThatIsGoneIsGivenUpAndRemembered()
    {
        await using var bus = new TestBus(shared.RabbitMq, TestBus.Quick with { KombuMissingConsumerRetryTimeout = 1 });
        await using var raw = await RawBus.OpenAsync(shared.RabbitMq);
        var server = await bus.ServeAsync(TestBus.Table(TestBus.Echo));

        await raw.PublishAsync(bus.Options.ControlExchange, bus.Topic, OsloEnvelope.Wrap(RawBus.Request("echo", "reply_gone")));
        await Eventually.HoldsAsync(() => bus.Log.Errors.Any(line => line.Contains("is given up", StringComparison.Ordinal)), "giving up");
        await raw.PublishAsync(bus.Options.ControlExchange, bus.Topic, OsloEnvelope.Wrap(RawBus.Request("echo", "reply_gone")));

        await Eventually.HoldsAsync(() => bus.Log.Contains("reply_gone does not exist"), "dropping at once");
        Assert.NotNull(await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []));
        await Eventually.HoldsAsync(() => server.InProgress.Count == 0, "the end of all calls");
    }

    [Fact]
    public async Task ReplyReachesAQueueThatComesBack()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var raw = await RawBus.OpenAsync(shared.RabbitMq);
        var server = await bus.ServeAsync(TestBus.Table(TestBus.Echo));
        await raw.PublishAsync(bus.Options.ControlExchange, bus.Topic, OsloEnvelope.Wrap(RawBus.Request("echo", $"reply_{bus.Id}")));
        await Eventually.HoldsAsync(() => server.InProgress.Count == 1, "the call");
        await Task.Delay(500);

        var replies = await raw.CollectAsync($"reply_{bus.Id}");

        await Eventually.HoldsAsync(() => replies.Count == 1, "the reply");
    }

    [Fact]
    public async Task StoppingLetsRunningHandlersReplyAndTakesNothingNew()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        var (started, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        var server = await bus.ServeAsync(TestBus.Table(("m", async (_, _) =>
        {
            started.TrySetResult();
            await release.Task;
            return "finished";
        }
        )));
        var call = bus.Client.CallAsync(bus.Target, TestBus.Context, "m", []);
        await started.Task.WaitAsync(TestBus.Long);
        Assert.Equal("m", Assert.Single(server.InProgress).Method);

        var stop = server.StopAsync(TestBus.Long, default);
        await Eventually.HoldsAsync(() => bus.Log.Contains("No longer taking requests"), "the stop");
        await bus.Client.CastAsync(bus.Target, TestBus.Context, "m", []);
        release.SetResult();

        Assert.Empty(await stop);
        Assert.Equal("finished", (string?)await call);
        // What came after the stop waits at the broker for another worker.
        Assert.Equal("1", (await shared.RabbitMq.ListAsync("list_queues", "name", "messages_ready")).Single(row => row[0] == bus.Topic)[1]);
    }

    [Fact]
    public async Task TopicsStopOneByOne()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        var alt = $"{bus.Topic}-alt";
        var server = await bus.ServeAsync(TestBus.Table(TestBus.Echo), topics: [bus.Topic, alt]);

        await server.StopConsumingAsync(bus.Topic, default);

        Assert.NotNull(await bus.Client.CallAsync(bus.Target with { Topic = alt }, TestBus.Context, "echo", []));
        await Assert.ThrowsAsync<RpcTimeoutException>(
            () => bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", [], TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public async Task WhatAnOperationWaitsForStillComesOnTheOtherTopicWhileItsOwnIsDrained()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        var alt = $"{bus.Topic}-alt";
        var started = new TaskCompletionSource();
        var awaited = new TaskCompletionSource();
        var server = await bus.ServeAsync(
            TestBus.Table(
                ("operation", async (_, token) =>
                {
                    started.TrySetResult();
                    await awaited.Task.WaitAsync(token);
                    return "finished";
                }
        ),
                ("event", (_, _) =>
                {
                    awaited.TrySetResult();
                    return Task.FromResult<JToken?>(null);
                }
        )),
            topics: [bus.Topic, alt]);
        var call = bus.Client.CallAsync(bus.Target, TestBus.Context, "operation", []);
        await started.Task.WaitAsync(TestBus.Long);

        await server.StopConsumingAsync(bus.Topic, default);
        Assert.False(await server.DrainAsync(bus.Topic, TimeSpan.Zero, default));
        var drained = server.DrainAsync(bus.Topic, TestBus.Long, default);
        await bus.Client.CastAsync(bus.Target with { Topic = alt }, TestBus.Context, "event", []);

        Assert.True(await drained);
        Assert.Equal("finished", (string?)await call);
        Assert.Empty(await server.StopAsync(TestBus.Long, default));
    }

    [Fact]
    public async Task HandlerThatTakesTooLongAtShutdownIsCancelledAndItsCallerTold()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        var started = new TaskCompletionSource();
        var server = await bus.ServeAsync(TestBus.Table(("m", async (_, token) =>
        {
            started.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
            return null;
        }
        )));
        var call = bus.Client.CallAsync(bus.Target, TestBus.Context, "m", []);
        await started.Task.WaitAsync(TestBus.Long);

        Assert.Empty(await server.StopAsync(TimeSpan.FromMilliseconds(100), default));

        Assert.Equal("TaskCanceledException", (await Assert.ThrowsAsync<RemoteFailureException>(() => call)).Failure.Class);
    }

    [Fact]
    public async Task RequestsThatNeverRanAtShutdownAreReported()
    {
        await using var bus = new TestBus(shared.RabbitMq, options: new MessagingOptions { ExecutorThreadPoolSize = 1 });
        var release = new TaskCompletionSource();
        var server = await bus.ServeAsync(TestBus.Table(("m", async (_, _) =>
        {
            await release.Task; // heeds no cancellation
            return null;
        }
        )));
        await bus.Client.CastAsync(bus.Target, TestBus.Context, "m", []);
        await bus.Client.CastAsync(bus.Target, TestBus.Context, "m", []);
        await Eventually.HoldsAsync(
            () => server.InProgress is { Count: 2 } taken && taken.Count(request => request.IsRunning) == 1, "both taken and one at work");

        var unfinished = await server.StopAsync(TimeSpan.FromMilliseconds(100), default);
        release.SetResult();

        Assert.Equal([false, true], unfinished.Select(request => request.IsRunning).Order());
    }

    [Fact]
    public async Task ClosingLeavesNoQueueOfOursBehind()
    {
        var bus = new TestBus(shared.RabbitMq);
        await bus.ServeAsync(TestBus.Table(TestBus.Echo));
        await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []);
        var reply = bus.Transport.Replies.Name;

        await bus.DisposeAsync();

        var queues = (await shared.RabbitMq.ListAsync("list_queues", "name")).Select(row => row[0]).ToList();
        Assert.DoesNotContain(reply, queues);
        Assert.DoesNotContain(queues, name => name.StartsWith($"{bus.Topic}_fanout", StringComparison.Ordinal));
        Assert.Contains($"{bus.Topic}.host1", queues); // kept: casts wait in it while the service restarts
    }

    private static RpcHandler Note(ConcurrentQueue<string> runs, string text) => (_, _) =>
    {
        runs.Enqueue(text);
        return Task.FromResult<JToken?>(null);
    };

    private static void InterlockedMax(ref int target, int value)
    {
        int seen;
        while ((seen = Volatile.Read(ref target)) < value && Interlocked.CompareExchange(ref target, value, seen) != seen)
        {
        }
    }
}
