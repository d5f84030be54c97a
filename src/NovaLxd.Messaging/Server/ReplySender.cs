using Microsoft.Extensions.Logging;
using NovaLxd.Messaging.Amqp;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging.Server;

/// <summary>
/// Sends replies straight to the caller's queue. A queue that is missing may come back (the caller reconnects), so it is tried for
/// <c>kombu_missing_consumer_retry_timeout</c>; after that it is remembered as gone for a minute, and replies to it are dropped at once.
/// </summary>
internal sealed partial class ReplySender(Publisher publisher, TimeSpan missingTimeout, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(250);
    private readonly ObsoleteReplyQueues _obsolete = new(time);

    /// <summary>The final reply of a call.</summary>
    public async Task ReplyAsync(string queue, ReplyPayload reply, CancellationToken cancellationToken)
    {
        if (_obsolete.Contains(queue))
        {
            LogDropped(queue, reply.MessageId);
            return;
        }

        var message = Message(queue, reply);
        long? missingSince = null; // counted from the first return, not from the call: the broker may have been away in between
        while (true)
        {
            try
            {
                await publisher.PublishAsync(message, retry: -1, cancellationToken);
                return;
            }
            catch (UndeliverableException)
            {
                missingSince ??= time.GetTimestamp();
                if (time.GetElapsedTime(missingSince.Value) >= missingTimeout)
                {
                    _obsolete.Add(queue);
                    LogAbandoned(reply.MessageId, missingTimeout.TotalSeconds, queue);
                    return;
                }
            }

            await Task.Delay(RetryDelay, time, cancellationToken);
        }
    }

    /// <summary>A sign of life for a caller that monitors its call. One that cannot be sent is left out: the next may get through.</summary>
    public async Task HeartbeatAsync(string queue, string messageId, CancellationToken cancellationToken)
    {
        if (_obsolete.Contains(queue))
        {
            return;
        }

        try
        {
            await publisher.PublishAsync(Message(queue, new ReplyPayload(messageId, null, null, Ending: false, null)), retry: 0, cancellationToken);
        }
        catch (Exception e) when (e is UndeliverableException or MessageDeliveryException)
        {
            LogHeartbeatFailed(messageId, e.Message);
        }
    }

    private static Outgoing Message(string queue, ReplyPayload reply) =>
        new(Topology.DefaultExchange, queue, OsloEnvelope.Wrap(reply.Write()), Mandatory: true);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Reply queue {Queue} does not exist; the reply to {MessageId} is dropped")]
    private partial void LogDropped(string queue, string? messageId);

    [LoggerMessage(Level = LogLevel.Error, Message = "The reply to {MessageId} is given up: its queue {Queue} has been missing for {Seconds} s")]
    private partial void LogAbandoned(string? messageId, double seconds, string queue);

    [LoggerMessage(Level = LogLevel.Debug, Message = "A heartbeat of {MessageId} was not sent: {Reason}")]
    private partial void LogHeartbeatFailed(string messageId, string reason);
}

/// <summary>Reply queues found missing in the last minute, 200 at most (oslo.messaging <c>amqpdriver.py:ObsoleteReplyQueuesCache</c>).</summary>
internal sealed class ObsoleteReplyQueues(TimeProvider time)
{
    private const int Size = 200;
    private static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(60);
    private readonly Queue<(string Queue, long Added)> _entries = new();

    public bool Contains(string queue)
    {
        lock (_entries)
        {
            while (_entries.TryPeek(out var oldest) && time.GetElapsedTime(oldest.Added) >= Lifetime)
            {
                _entries.Dequeue();
            }

            return _entries.Any(entry => entry.Queue == queue);
        }
    }

    public void Add(string queue)
    {
        lock (_entries)
        {
            if (_entries.Count == Size)
            {
                _entries.Dequeue();
            }

            _entries.Enqueue((queue, time.GetTimestamp()));
        }
    }
}
