using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Newtonsoft.Json.Linq;

namespace NovaLxd.Messaging.Tests.Broker;

[Collection(BrokerCollection.Name)]
[Trait("Lane", "broker")]
public sealed class RpcRoundTripTests(SharedBroker shared)
{
    [Fact]
    public async Task CallReachesTheHostWithContextAndArgumentsAndBringsTheResult()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        RpcRequest? seen = null;
        await bus.ServeAsync(TestBus.Table(("stop", (request, _) =>
        {
            seen = request;
            return Task.FromResult<JToken?>(new JObject { ["x"] = new JArray(1, "a", null!) });
        }
        )));
        var context = TestBus.Context.With("unknown_key", new JObject { ["deep"] = 1 });

        var result = await bus.Client.CallAsync(bus.Target with { Server = "host1" }, context, "stop", new JObject { ["instance"] = "i" });

        Assert.Equal("""{"x":[1,"a",null]}""", result!.ToString(Newtonsoft.Json.Formatting.None));
        Assert.True(JToken.DeepEquals(context.ToJson(), seen!.Context.ToJson()));
        Assert.Equal(("6.0", "i", true), (seen.Version, (string?)seen.Arguments["instance"], seen.IsCall));
    }

    [Fact]
    public async Task CallToTheTopicIsTakenByOneServerAndNullComesBackAsNull()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        var hosts = new ConcurrentBag<string>();
        foreach (var host in new[] { "a", "b" })
        {
            await bus.ServeAsync(TestBus.Table(("m", (_, _) =>
            {
                hosts.Add(host);
                return Task.FromResult<JToken?>(null);
            }
            )), host);
        }

        Assert.Null(await bus.Client.CallAsync(bus.Target, TestBus.Context, "m", []));
        Assert.Null(await bus.Client.CallAsync(bus.Target, TestBus.Context, "m", []));

        Assert.Equal(["a", "b"], hosts.Order());
    }

    [Fact]
    public async Task CastReachesOneHostAndFanoutAllOfThem()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        var seen = new ConcurrentQueue<string>();
        foreach (var host in new[] { "a", "b" })
        {
            await bus.ServeAsync(TestBus.Table(("m", (request, _) =>
            {
                seen.Enqueue($"{host}:{request.Arguments["kind"]}:{request.IsCall}");
                return Task.FromResult<JToken?>(null);
            }
            )), host);
        }

        await bus.Client.CastAsync(bus.Target with { Server = "b" }, TestBus.Context, "m", new JObject { ["kind"] = "cast" });
        await bus.Client.FanoutAsync(bus.Target, TestBus.Context, "m", new JObject { ["kind"] = "fanout" });

        await Eventually.HoldsAsync(() => seen.Count == 3, "three messages");
        Assert.Equal(["a:fanout:False", "b:cast:False", "b:fanout:False"], seen.Order());
    }

    [Fact]
    public async Task FailureOfNovaComesBackWithClassMessageArgumentsAndTraceback()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        var failure = RemoteFailure.Nova("InstanceNotFound", "Instance x could not be found.", 404, new JObject { ["instance_id"] = "x" });
        await bus.ServeAsync(TestBus.Table(("m", (_, _) => throw new RpcFailureException(failure))));

        var error = await Assert.ThrowsAsync<RemoteFailureException>(() => bus.Client.CallAsync(bus.Target, TestBus.Context, "m", []));

        Assert.True(error.IsNova("InstanceNotFound"));
        Assert.Equal(failure.Message, error.Failure.Message);
        Assert.True(JToken.DeepEquals(failure.Kwargs, error.Failure.Kwargs));
        Assert.True(JToken.DeepEquals(failure.Args, error.Failure.Args));
        Assert.NotEmpty(error.Failure.Traceback);
    }

    [Fact]
    public async Task AnyExceptionOfAHandlerIsMappedByTheServicesHook()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await using var server = new RpcServer(
            bus.NewTransport(), [bus.Topic], "h", TestBus.Table(("m", (_, _) => throw new InvalidOperationException("disk on fire"))),
            e => RemoteFailure.Nova("NovaException", $"mapped {e.Message}"));
        await server.StartAsync(default);

        var error = await Assert.ThrowsAsync<RemoteFailureException>(() => bus.Client.CallAsync(bus.Target, TestBus.Context, "m", []));

        Assert.Equal(("NovaException", "mapped disk on fire"), (error.Failure.Class, error.Failure.Message));
        Assert.Contains(bus.Log.Errors, line => line.Contains("disk on fire", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("no_such", "6.0", null, "NoSuchMethod")]
    [InlineData("echo", "7.0", null, "UnsupportedVersion")]
    [InlineData("echo", "6.0", "strange", "UnsupportedVersion")]
    public async Task UnknownMethodVersionAndNamespaceAreRefusedAsOsloDoes(string method, string version, string? ns, string expected)
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await bus.ServeAsync(TestBus.Table(TestBus.Echo));

        var error = await Assert.ThrowsAsync<RemoteFailureException>(
            () => bus.Client.CallAsync(bus.Target with { Version = version, Namespace = ns }, TestBus.Context, method, []));

        Assert.Equal(("oslo_messaging.rpc.dispatcher", expected), (error.Failure.Module, error.Failure.Class));
    }

    [Fact]
    public async Task ServerPingIsAnsweredOnlyWhenEnabled()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await bus.ServeAsync(TestBus.Table(TestBus.Echo));
        await using var open = new TestBus(shared.RabbitMq, options: new MessagingOptions { RpcPingEnabled = true });
        await open.ServeAsync(TestBus.Table(TestBus.Echo));

        Assert.Equal("pong", (string?)await open.Client.CallAsync(new RpcTarget(open.Topic), TestBus.Context, "oslo_rpc_server_ping", []));
        await Assert.ThrowsAsync<RemoteFailureException>(
            () => bus.Client.CallAsync(new RpcTarget(bus.Topic), TestBus.Context, "oslo_rpc_server_ping", []));
    }

    [Fact]
    public async Task CallNobodyListensForTimesOutAndSaysSo()
    {
        await using var bus = new TestBus(shared.RabbitMq);

        var error = await Assert.ThrowsAsync<RpcTimeoutException>(
            () => bus.Client.CallAsync(bus.Target, TestBus.Context, "m", [], TimeSpan.FromSeconds(15)));

        Assert.Contains("no queue is bound", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CallWaitsForAServerThatComesLate()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        var call = bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", new JObject { ["a"] = 1 });
        await Eventually.HoldsAsync(() => bus.Log.Contains("no queue is bound"), "the first attempt");

        await bus.ServeAsync(TestBus.Table(TestBus.Echo));

        Assert.Equal(1, (int?)(await call)!["a"]);
    }

    [Fact]
    public async Task CastNobodyListensForIsDroppedWithAWarning()
    {
        await using var bus = new TestBus(shared.RabbitMq);

        await bus.Client.CastAsync(bus.Target, TestBus.Context, "m", []);

        Assert.True(bus.Log.Contains("Cast m is dropped"));
    }

    [Fact]
    public async Task UnansweredCallTimesOutAndALateReplyIsDropped()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        var release = new TaskCompletionSource();
        await bus.ServeAsync(TestBus.Table(("m", async (_, _) =>
        {
            await release.Task;
            return "late";
        }
        ), TestBus.Echo));
        await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []); // all is connected: the time is for the handler alone

        var error = await Assert.ThrowsAsync<RpcTimeoutException>(
            () => bus.Client.CallAsync(bus.Target, TestBus.Context, "m", [], TimeSpan.FromSeconds(15)));
        release.SetResult();

        Assert.Contains("not answered", error.Message, StringComparison.Ordinal);
        await Eventually.HoldsAsync(() => bus.Log.Contains("Nobody waits for the reply"), "the late reply");
    }

    [Fact]
    public async Task HeartbeatsKeepAMonitoredCallAliveBeyondItsMonitorTimeout()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await bus.ServeAsync(TestBus.Table(("slow", async (_, token) =>
        {
            await Task.Delay(TimeSpan.FromSeconds(20), token);
            return "done";
        }
        )));

        var result = await bus.Client.CallAsync(bus.Target, TestBus.Context, "slow", [], TestBus.Long, TimeSpan.FromSeconds(16)); // a heartbeat may be late by eight

        Assert.Equal("done", (string?)result);
    }

    [Fact]
    public async Task ManyCallsAtOnceGetTheirOwnReplies()
    {
        await using var bus = new TestBus(shared.RabbitMq);
        await bus.ServeAsync(TestBus.Table(TestBus.Echo));

        var results = await Task.WhenAll(Enumerable.Range(0, 300).Select(
            i => bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", new JObject { ["i"] = i })));

        Assert.Equal(Enumerable.Range(0, 300), results.Select(result => (int)result!["i"]!));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("bz2")]
    public async Task CompressedBodiesAreUnderstood(string method)
    {
        await using var bus = new TestBus(shared.RabbitMq, TestBus.Quick with { KombuCompression = method });
        await bus.ServeAsync(TestBus.Table(TestBus.Echo));

        Assert.Equal("ü", (string?)(await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", new JObject { ["a"] = "ü" }))!["a"]);
    }

    [Fact]
    public async Task MeterCountsWhatHappened()
    {
        var counts = new ConcurrentDictionary<string, long>();
        await using var bus = new TestBus(shared.RabbitMq);
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == "NovaLxd.Messaging")
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        var method = $"m{bus.Id}";
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            var outcome = "";
            var mine = false;
            foreach (var tag in tags)
            {
                mine |= tag.Key == "method" && Equals(tag.Value, method);
                outcome = tag.Key == "outcome" ? $"/{tag.Value}" : outcome;
            }

            if (mine)
            {
                counts.AddOrUpdate(instrument.Name + outcome, value, (_, old) => old + value);
            }
        });
        listener.Start();
        await bus.ServeAsync(TestBus.Table((method, (request, _) =>
            request.Arguments.Count == 0 ? throw new RpcFailureException(RemoteFailure.Nova("Invalid", "no")) : Task.FromResult<JToken?>(1))));

        await bus.Client.CallAsync(bus.Target, TestBus.Context, method, new JObject { ["a"] = 1 });
        await Assert.ThrowsAsync<RemoteFailureException>(() => bus.Client.CallAsync(bus.Target, TestBus.Context, method, []));

        await Eventually.HoldsAsync(() => counts.GetValueOrDefault("rpc.server.requests/Invalid") == 1, "the failure counted");
        await Eventually.HoldsAsync(() => counts.GetValueOrDefault("rpc.server.requests/ok") == 1, "the other counted");
        await Eventually.HoldsAsync(() => counts["rpc.server.in_progress"] == 0, "the end of both");
        Assert.Equal(1, counts["rpc.client.requests/ok"]);
        Assert.Equal(1, counts["rpc.client.requests/failure"]);
    }
}
