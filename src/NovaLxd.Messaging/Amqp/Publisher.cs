using System.Globalization;
using Microsoft.Extensions.Logging;
using NovaLxd.Messaging.Wire;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace NovaLxd.Messaging.Amqp;

/// <summary>A message to be published.</summary>
/// <param name="Mandatory">Whether the broker returns it when no queue is bound for it.</param>
/// <param name="Expiration">After this time the broker drops it unread.</param>
/// <param name="DeclareQueue">Whether a queue named as the routing key is made first (notifications).</param>
internal sealed record Outgoing(
    ExchangeDeclaration Exchange, string RoutingKey, byte[] Body, bool Mandatory = false, TimeSpan? Expiration = null, bool DeclareQueue = false);

/// <summary>
/// Publishes with confirms on one channel, which is opened again whenever it is gone. A message whose confirm was lost is sent again with the
/// same <c>_unique_id</c>, which the receiver filters. RabbitMQ.Client adds the header <c>x-dotnet-pub-seq-no</c> to match returned messages.
/// </summary>
internal sealed partial class Publisher(BrokerConnection connection, Topology topology, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(250);

    /// <summary>How long the client has to tell those who wait for a confirm why their channel closed.</summary>
    private static readonly TimeSpan LastWordLimit = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly Declarer _declarer = new(logger);
    private Session? _session;

    /// <summary>Returns when the broker has the message.</summary>
    /// <param name="message">What is sent.</param>
    /// <param name="retry">How often a failure of broker or connection is lived through; -1: always, until the token is cancelled.</param>
    /// <exception cref="UndeliverableException">It was mandatory and no queue is bound.</exception>
    /// <exception cref="DeclarationRefusedException">The exchange exists with other properties.</exception>
    /// <exception cref="MessageDeliveryException">The retries are used up.</exception>
    public async Task PublishAsync(Outgoing message, int retry, CancellationToken cancellationToken)
    {
        var (body, compression) = BodyCompression.Compress(message.Body, connection.Options.KombuCompression);
        for (var failures = 0; ; failures++)
        {
            try
            {
                var session = await SessionAsync(retry, cancellationToken);
                await connection.UnblockedAsync(cancellationToken);
                await DeclareAsync(session, message, cancellationToken);
                await ConfirmedAsync(session, session.Channel.BasicPublishAsync(
                    message.Exchange.Name, message.RoutingKey, message.Mandatory, Properties(message, compression), body, cancellationToken).AsTask());
                return;
            }
            catch (PublishException e) when (e.IsReturn)
            {
                throw new UndeliverableException($"no queue is bound for '{message.RoutingKey}' on exchange '{message.Exchange.Name}'", e);
            }
            catch (Exception e) when (e.IsBrokerFault(cancellationToken) && !connection.IsDisposed)
            {
                LogPublishFailed(message.Exchange.Name, message.RoutingKey, e.Describe());
                if (retry >= 0 && failures >= retry)
                {
                    throw new MessageDeliveryException($"'{message.RoutingKey}' could not be sent: {e.Describe()}", e);
                }
            }

            await Task.Delay(RetryDelay, time, cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _gate.WaitAsync();
        try
        {
            await CloseAsync(_session);
            _session = null;
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<Session> SessionAsync(int retry, CancellationToken cancellationToken)
    {
        // Waiting for the broker happens outside the gate: a waiter with few retries must not wait behind one that waits for ever.
        var current = await connection.ConnectedAsync(retry, cancellationToken);
        if (_session is { Channel.IsOpen: true } session && ReferenceEquals(session.Connection, current))
        {
            return session;
        }

        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_session is { Channel.IsOpen: true } opened && ReferenceEquals(opened.Connection, current))
            {
                return opened;
            }

            await CloseAsync(_session);
            _session = null;
            var channel = await current.CreateChannelAsync(
                new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), cancellationToken);
            var made = _session = new Session(current, channel);
            channel.ChannelShutdownAsync += (_, _) =>
            {
                made.Ended(LastWordLimit, time);
                return Task.CompletedTask;
            };
            return made;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>
    /// RabbitMQ.Client tells those who wait for confirms that their channel closed, but not all when the connection ends in two ways at once (a missed heartbeat
    /// and a broken socket) or when the channel is disposed at that moment: they would wait for ever.
    /// </summary>
    private static async Task ConfirmedAsync(Session session, Task publishing)
    {
        if (await Task.WhenAny(publishing, session.Gone) != publishing && !publishing.IsCompleted)
        {
            throw new IOException("the channel closed before the broker confirmed the message");
        }

        await publishing;
    }

    private async Task DeclareAsync(Session session, Outgoing message, CancellationToken cancellationToken)
    {
        var key = (message.Exchange.Name, message.DeclareQueue ? message.RoutingKey : "");
        // A fanout exchange goes with its last queue, and publishing to a missing exchange closes the channel; so it is declared each time.
        if (message.Exchange.Name.Length == 0 || (message.Exchange.Type != "fanout" && session.IsDeclared(key)))
        {
            return;
        }

        await _gate.WaitAsync(cancellationToken);
        try
        {
            var queue = message.DeclareQueue ? topology.TopicQueue(message.RoutingKey) : null;
            await _declarer.DeclareAsync(session.Connection, message.Exchange, queue, message.RoutingKey, cancellationToken);
            session.SetDeclared(key);
        }
        finally
        {
            _gate.Release();
        }
    }

    private static BasicProperties Properties(Outgoing message, string? compression)
    {
        var properties = new BasicProperties
        {
            ContentType = "application/json",
            ContentEncoding = "utf-8",
            DeliveryMode = DeliveryModes.Persistent,
            Priority = 0,
            Headers = new Dictionary<string, object?>(),
        };
        if (compression is not null)
        {
            properties.Headers[BodyCompression.Header] = compression;
        }

        if (message.Expiration is { } expiration)
        {
            properties.Expiration = ((long)expiration.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
        }

        return properties;
    }

    private async Task CloseAsync(Session? session)
    {
        if (session is null)
        {
            return;
        }

        try
        {
            await session.Channel.DisposeAsync();
        }
        catch (Exception e) when (e.IsBrokerFault(CancellationToken.None))
        {
            LogCloseFailed(e.Describe());
        }
    }

    /// <summary>A channel and what was declared through it.</summary>
    private sealed class Session(IConnection connection, IChannel channel)
    {
        private readonly HashSet<(string Exchange, string Queue)> _declared = [];
        private readonly TaskCompletionSource _gone = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Completes when the channel has closed and nothing is to be heard of it any more.</summary>
        public Task Gone => _gone.Task;

        public IConnection Connection => connection;

        public IChannel Channel => channel;

        /// <summary>The channel has closed.</summary>
        public void Ended(TimeSpan lastWordLimit, TimeProvider time) =>
            _ = Task.Delay(lastWordLimit, time).ContinueWith(_ => _gone.TrySetResult(), TaskScheduler.Default);

        public bool IsDeclared((string Exchange, string Queue) key)
        {
            lock (_declared)
            {
                return _declared.Contains(key);
            }
        }

        public void SetDeclared((string Exchange, string Queue) key)
        {
            lock (_declared)
            {
                _declared.Add(key);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Publishing to exchange '{Exchange}' with key '{RoutingKey}' failed: {Reason}")]
    private partial void LogPublishFailed(string exchange, string routingKey, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Closing the sending channel failed: {Reason}")]
    private partial void LogCloseFailed(string reason);
}
