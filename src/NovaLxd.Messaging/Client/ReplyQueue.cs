using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json;
using NovaLxd.Messaging.Amqp;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging.Client;

/// <summary>
/// The reply queue of this process. Its name is kept over reconnects, so that a reply to a call made before the connection broke still finds
/// its caller.
/// </summary>
internal sealed partial class ReplyQueue : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, ChannelWriter<ReplyPayload>> _waiting = new(StringComparer.Ordinal);
    private readonly DuplicateFilter _seen = new();
    private readonly QueueConsumer _consumer;
    private readonly ILogger _logger;

    public ReplyQueue(BrokerConnection connection, Subscription subscription, TimeProvider time, ILogger logger)
    {
        _logger = logger;
        Name = subscription.Queue.Name;
        _consumer = new QueueConsumer(connection, [subscription], ReceiveAsync, time, logger);
    }

    public string Name { get; }

    /// <summary>Waits until replies can arrive.</summary>
    public Task ReadyAsync(CancellationToken cancellationToken) => _consumer.ConsumingAsync(cancellationToken);

    /// <summary>Replies to this message from now on; end with <see cref="Forget"/>.</summary>
    public ChannelReader<ReplyPayload> Expect(string messageId)
    {
        var replies = Channel.CreateUnbounded<ReplyPayload>(new UnboundedChannelOptions { SingleReader = true });
        _waiting[messageId] = replies.Writer;
        return replies.Reader;
    }

    public void Forget(string messageId) => _waiting.TryRemove(messageId, out _);

    public ValueTask DisposeAsync() => _consumer.DisposeAsync();

    private async Task ReceiveAsync(ConsumedMessage message, CancellationToken cancellationToken)
    {
        ReplyPayload reply;
        try
        {
            reply = ReplyPayload.Read(OsloEnvelope.Open(BodyCompression.Decompress(message.Body, message.Compression)));
        }
        catch (Exception e) when (e is MalformedMessageException or JsonException)
        {
            LogMalformed(e.Message);
            await message.RejectAsync(cancellationToken);
            return;
        }

        await message.AcknowledgeAsync(cancellationToken);
        if (_seen.IsDuplicate(reply.UniqueId))
        {
            LogDuplicate(reply.MessageId);
        }
        else if (reply.MessageId is null || !_waiting.TryGetValue(reply.MessageId, out var caller))
        {
            LogNobodyWaits(reply.MessageId);
        }
        else
        {
            caller.TryWrite(reply);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A reply cannot be read and is dropped: {Reason}")]
    private partial void LogMalformed(string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "A reply to {MessageId} came twice; the second is dropped")]
    private partial void LogDuplicate(string? messageId);

    [LoggerMessage(Level = LogLevel.Information, Message = "Nobody waits for the reply to {MessageId} any more")]
    private partial void LogNobodyWaits(string? messageId);
}
