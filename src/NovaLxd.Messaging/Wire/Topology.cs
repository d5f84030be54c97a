namespace NovaLxd.Messaging.Wire;

/// <summary>An exchange as it is declared. The default exchange has the empty name and is never declared.</summary>
internal sealed record ExchangeDeclaration(string Name, string Type, bool Durable, bool AutoDelete);

/// <summary>A queue as it is declared.</summary>
internal sealed record QueueDeclaration(string Name, bool Durable, bool AutoDelete, IReadOnlyDictionary<string, object?> Arguments);

/// <summary>A queue that is consumed, with the exchange it hangs on.</summary>
/// <param name="RoutingKey">Key of the binding; looked at by topic exchanges only.</param>
/// <param name="ConsumerArguments">Arguments of <c>basic.consume</c>.</param>
/// <param name="IsStream">Whether the queue is a stream, read from an offset.</param>
/// <param name="DeleteOnClose">Whether the queue is ours alone and goes when we go.</param>
internal sealed record Subscription(
    ExchangeDeclaration Exchange, QueueDeclaration Queue, string RoutingKey,
    IReadOnlyDictionary<string, object?> ConsumerArguments, bool IsStream, bool DeleteOnClose);

/// <summary>
/// Names, arguments and durability of all exchanges and queues, from the options alone (oslo.messaging <c>_drivers/impl_rabbit.py</c>:
/// <c>_get_queue_arguments</c> and the <c>declare_*</c> and <c>*_send</c> methods). RabbitMQ compares them with what other services
/// declared, so every value counts.
/// </summary>
internal sealed class Topology(RabbitOptions options, string controlExchange)
{
    public static readonly ExchangeDeclaration DefaultExchange = new("", "direct", false, false);

    private static readonly Dictionary<string, object?> NoArguments = [];

    private bool Durable => options.AmqpDurableQueues || options.RabbitQuorumQueue;

    public ExchangeDeclaration ControlExchange => new(controlExchange, "topic", Durable, options.AmqpAutoDelete);

    public ExchangeDeclaration FanoutExchange(string topic) => new($"{topic}_fanout", "fanout", options.RabbitTransientQuorumQueue, AutoDelete: true);

    /// <summary>A topic queue; senders of notifications declare the same.</summary>
    public QueueDeclaration TopicQueue(string name) => new(name, Durable, options.AmqpAutoDelete, QueueArguments(options.RabbitQuorumQueue, 0));

    /// <summary>Queue <c>topic</c> or <c>topic.server</c> on the control exchange.</summary>
    public Subscription Topic(string name) =>
        new(ControlExchange, TopicQueue(name), name, FailoverArguments(), IsStream: false, DeleteOnClose: false);

    /// <summary>The fanout queue of one consumer, or the stream all consumers share.</summary>
    /// <param name="unique">What makes the name ours: random, or from the queue manager.</param>
    public Subscription Fanout(string topic, string unique)
    {
        var stream = options.RabbitStreamFanout;
        var queue = stream
            ? new QueueDeclaration($"{topic}_fanout", true, false, StreamArguments())
            : new QueueDeclaration(
                $"{topic}_fanout_{unique}", options.RabbitTransientQuorumQueue, false,
                QueueArguments(options.RabbitTransientQuorumQueue, options.RabbitTransientQueuesTtl));
        return new Subscription(
            FanoutExchange(topic), queue, topic, stream ? NoArguments : FailoverArguments(), stream,
            DeleteOnClose: !stream && !options.UseQueueManager);
    }

    /// <summary>The reply queue of this process; reached through the default exchange, so bound to nothing.</summary>
    public Subscription Reply(string unique) => new(
        DefaultExchange,
        new QueueDeclaration(
            $"reply_{unique}", options.RabbitTransientQuorumQueue, false,
            QueueArguments(options.RabbitTransientQuorumQueue, options.RabbitTransientQueuesTtl)),
        "", FailoverArguments(), IsStream: false, DeleteOnClose: !options.UseQueueManager);

    private Dictionary<string, object?> QueueArguments(bool quorum, int ttl)
    {
        var arguments = new Dictionary<string, object?>();
        if (options.RabbitHaQueues)
        {
            arguments["x-ha-policy"] = "all";
        }

        if (quorum)
        {
            arguments["x-queue-type"] = "quorum";
            AddIfSet("x-delivery-limit", options.RabbitQuorumDeliveryLimit);
            AddIfSet("x-max-in-memory-length", options.RabbitQuorumMaxMemoryLength);
            AddIfSet("x-max-in-memory-bytes", options.RabbitQuorumMaxMemoryBytes);
        }

        AddIfSet("x-expires", ttl * 1000L);
        return arguments;

        void AddIfSet(string name, long value)
        {
            if (value > 0)
            {
                arguments[name] = value <= int.MaxValue ? (object)(int)value : value;
            }
        }
    }

    private Dictionary<string, object?> StreamArguments()
    {
        var arguments = new Dictionary<string, object?> { ["x-queue-type"] = "stream" };
        if (options.RabbitTransientQueuesTtl > 0)
        {
            arguments["x-max-age"] = $"{options.RabbitTransientQueuesTtl}s";
        }

        return arguments;
    }

    private Dictionary<string, object?> FailoverArguments() =>
        options.EnableCancelOnFailover ? new Dictionary<string, object?> { ["x-cancel-on-ha-failover"] = true } : NoArguments;
}

/// <summary>
/// What makes fanout and reply queues ours: a random id, or with <c>use_queue_manager</c> oslo's <c>hostname:processname:counter</c>
/// (<c>amqpdriver.py:QManager</c>). oslo counts in a file because its workers are processes; we are one, so the counter lives here and
/// begins at 1 at each start as theirs does.
/// </summary>
internal sealed class UniqueNames(RabbitOptions options)
{
    private int _counter;

    public string Next() => options.UseQueueManager
        ? $"{options.Hostname}:{options.Processname}:{Interlocked.Increment(ref _counter)}"
        : RequestPayload.NewId();
}
