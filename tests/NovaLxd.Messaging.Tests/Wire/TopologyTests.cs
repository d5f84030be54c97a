using Newtonsoft.Json.Linq;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging.Tests.Wire;

public sealed class TopologyTests
{
    [Theory]
    [InlineData("zed", "compute")]
    [InlineData("2026.1", "compute")]
    [InlineData("2026.1", "compute-alt")]
    public void DefaultsEqualWhatARealNovaDeclared(string release, string topic)
    {
        var recorded = Recorded.Topology(release);
        var host = recorded["host"]!.ToString();
        var topology = new Topology(new RabbitOptions(), "nova");

        AssertRecorded(recorded, topology.Topic(topic), topic);
        AssertRecorded(recorded, topology.Topic($"{topic}.{host}"), $"{topic}.{host}");
        AssertRecorded(recorded, topology.Fanout(topic, "x"), $"{topic}_fanout_");
        AssertRecorded(recorded, topology.Reply("x"), "reply_");
    }

    [Fact]
    public void DurableAndAutoDeleteShapeTheTopicQueuesOnly()
    {
        var topology = new Topology(new RabbitOptions { AmqpDurableQueues = true, AmqpAutoDelete = true }, "nova");

        Assert.Equal(new ExchangeDeclaration("nova", "topic", true, true), topology.ControlExchange);
        Assert.Equal((true, true), (topology.TopicQueue("compute").Durable, topology.TopicQueue("compute").AutoDelete));
        Assert.Equal((false, false), (topology.Fanout("compute", "x").Queue.Durable, topology.Reply("x").Queue.Durable));
        Assert.Equal(new ExchangeDeclaration("compute_fanout", "fanout", false, true), topology.FanoutExchange("compute"));
    }

    [Fact]
    public void QuorumQueuesAreDurableWithTheirLimits()
    {
        var options = new RabbitOptions
        {
            RabbitQuorumQueue = true,
            RabbitQuorumDeliveryLimit = 3,
            RabbitQuorumMaxMemoryLength = 100,
            RabbitQuorumMaxMemoryBytes = 9000,
        };
        var topology = new Topology(options, "nova");

        Assert.True(topology.ControlExchange.Durable);
        AssertArguments(topology.TopicQueue("q"),
            ("x-queue-type", "quorum"), ("x-delivery-limit", 3), ("x-max-in-memory-length", 100), ("x-max-in-memory-bytes", 9000));
        AssertArguments(topology.Reply("x").Queue, ("x-expires", 1800000));
        Assert.False(topology.FanoutExchange("t").Durable);
    }

    [Fact]
    public void TransientQuorumMakesFanoutAndReplyQueuesDurable()
    {
        var topology = new Topology(new RabbitOptions { RabbitTransientQuorumQueue = true }, "nova");

        Assert.False(topology.TopicQueue("q").Durable);
        Assert.True(topology.FanoutExchange("t").Durable);
        foreach (var queue in new[] { topology.Fanout("t", "x").Queue, topology.Reply("x").Queue })
        {
            Assert.True(queue.Durable);
            AssertArguments(queue, ("x-queue-type", "quorum"), ("x-expires", 1800000));
        }
    }

    [Fact]
    public void StreamFanoutIsOneSharedQueue()
    {
        var options = new RabbitOptions { RabbitStreamFanout = true, RabbitTransientQuorumQueue = true, RabbitQosPrefetchCount = 10 };
        var topology = new Topology(options, "nova");

        var fanout = topology.Fanout("compute", "x");

        Assert.Equal(("compute_fanout", true, true, false), (fanout.Queue.Name, fanout.Queue.Durable, fanout.IsStream, fanout.DeleteOnClose));
        AssertArguments(fanout.Queue, ("x-queue-type", "stream"), ("x-max-age", "1800s"));
    }

    [Fact]
    public void MirroredQueuesAndCancelOnFailoverAndNoTtl()
    {
        var topology = new Topology(new RabbitOptions { RabbitHaQueues = true, EnableCancelOnFailover = true, RabbitTransientQueuesTtl = 0 }, "nova");

        AssertArguments(topology.TopicQueue("q"), ("x-ha-policy", "all"));
        AssertArguments(topology.Reply("x").Queue, ("x-ha-policy", "all"));
        Assert.Equal(true, topology.Topic("q").ConsumerArguments["x-cancel-on-ha-failover"]);
    }

    [Fact]
    public void QueueManagerCountsNamesThatAreNotDeletedOnClose()
    {
        var options = new RabbitOptions { UseQueueManager = true, Hostname = "node1", Processname = "novalxd" };
        var (names, topology) = (new UniqueNames(options), new Topology(options, "nova"));

        var reply = topology.Reply(names.Next());
        var fanout = topology.Fanout("compute", names.Next());

        Assert.Equal(("reply_node1:novalxd:1", false), (reply.Queue.Name, reply.DeleteOnClose));
        Assert.Equal(("compute_fanout_node1:novalxd:2", false), (fanout.Queue.Name, fanout.DeleteOnClose));
        Assert.Matches("^[0-9a-f]{32}$", new UniqueNames(new RabbitOptions()).Next());
    }

    private static void AssertArguments(QueueDeclaration queue, params (string Name, object Value)[] expected) =>
        Assert.Equal(expected.ToDictionary(pair => pair.Name, pair => (object?)pair.Value), queue.Arguments);

    private static void AssertRecorded(JObject recorded, Subscription ours, string name)
    {
        var queue = recorded["queues"]!.Single(q => name.EndsWith('_')
            ? q["name"]!.ToString().StartsWith(name, StringComparison.Ordinal)
            : q["name"]!.ToString() == name);
        Assert.StartsWith(name, ours.Queue.Name, StringComparison.Ordinal);
        Assert.Equal((bool)queue["durable"]!, ours.Queue.Durable);
        Assert.Equal((bool)queue["auto_delete"]!, ours.Queue.AutoDelete);
        Assert.Equal(
            queue["arguments"]!.Select(a => (a[0]!.ToString(), a[2]!.ToString())),
            ours.Queue.Arguments.Select(a => (a.Key, $"{a.Value}")));
        var binding = recorded["bindings"]!.SingleOrDefault(b => b["destination_name"]!.ToString() == queue["name"]!.ToString());
        Assert.Equal(binding?["source_name"]?.ToString() ?? "", ours.Exchange.Name);
        if (binding is not null)
        {
            Assert.Equal(binding["routing_key"]!.ToString(), ours.RoutingKey);
            var exchange = recorded["exchanges"]!.Single(e => e["name"]!.ToString() == ours.Exchange.Name);
            Assert.Equal(
                new ExchangeDeclaration(ours.Exchange.Name, exchange["type"]!.ToString(), (bool)exchange["durable"]!, (bool)exchange["auto_delete"]!),
                ours.Exchange);
        }
    }
}
