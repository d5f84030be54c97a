using Microsoft.Extensions.Logging;
using NovaLxd.Messaging.Amqp;
using NovaLxd.Messaging.Client;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging;

/// <summary>
/// This process's link to the bus, shared by <see cref="RpcServer"/>, <see cref="RpcClient"/> and <see cref="NotificationSender"/>; they must be
/// disposed before it. Two connections, because the broker stops reading from one that publishes while it is short of memory, and
/// acknowledgements must still get through. Nothing is connected before the first use, and a broker that is away is waited for.
/// </summary>
public sealed class RabbitTransport : IAsyncDisposable
{
    private readonly Lazy<ReplyQueue> _replies;

    /// <param name="options"><c>[DEFAULT]</c>.</param>
    /// <param name="rabbit"><c>[oslo_messaging_rabbit]</c>; the query of the transport URL overrides it.</param>
    /// <param name="loggers">Where we log; categories are the names of our types.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="FormatException">Options that cannot be used; the message names all of them.</exception>
    public RabbitTransport(MessagingOptions options, RabbitOptions rabbit, ILoggerFactory loggers, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(rabbit);
        ArgumentNullException.ThrowIfNull(loggers);
        if (options.Problems() is { Count: > 0 } problems)
        {
            throw new FormatException(string.Join("; ", problems));
        }

        Options = options;
        RabbitOptions = rabbit;
        Loggers = loggers;
        Time = time ?? TimeProvider.System;
        var address = BrokerAddress.Create(options.TransportUrl, rabbit);
        Topology = new Topology(address.Options, options.ControlExchange);
        Names = new UniqueNames(address.Options);
        Listen = new BrokerConnection("listen", address, Metrics, Time, loggers.CreateLogger<BrokerConnection>());
        Send = new BrokerConnection("send", address, Metrics, Time, loggers.CreateLogger<BrokerConnection>());
        Publisher = new Publisher(Send, Topology, Time, loggers.CreateLogger<Publisher>());
        _replies = new Lazy<ReplyQueue>(() => new ReplyQueue(Listen, Topology.Reply(Names.Next()), Time, loggers.CreateLogger<ReplyQueue>()));
    }

    /// <summary>The connection that requests and replies arrive on.</summary>
    public BrokerState Listening => Listen.State;

    /// <summary>The connection that requests, replies and notifications leave by.</summary>
    public BrokerState Sending => Send.State;

    public MessagingOptions Options { get; }

    internal RabbitOptions RabbitOptions { get; }
    internal ILoggerFactory Loggers { get; }
    internal TimeProvider Time { get; }
    internal MessagingMetrics Metrics { get; } = new();
    internal Topology Topology { get; }
    internal UniqueNames Names { get; }
    internal BrokerConnection Listen { get; }
    internal BrokerConnection Send { get; }
    internal Publisher Publisher { get; }

    /// <summary>The one reply queue of this process; made for the first call.</summary>
    internal ReplyQueue Replies => _replies.Value;

    public async ValueTask DisposeAsync()
    {
        if (_replies.IsValueCreated)
        {
            await _replies.Value.DisposeAsync();
        }

        await Publisher.DisposeAsync();
        await Send.DisposeAsync();
        await Listen.DisposeAsync();
        Metrics.Dispose();
    }
}
