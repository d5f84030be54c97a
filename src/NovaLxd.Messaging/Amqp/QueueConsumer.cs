using Microsoft.Extensions.Logging;
using NovaLxd.Messaging.Wire;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace NovaLxd.Messaging.Amqp;

/// <summary>A delivered message. It must be acknowledged or rejected on its channel.</summary>
internal sealed record ConsumedMessage(IChannel Channel, ulong DeliveryTag, byte[] Body, string? Compression)
{
    public ValueTask AcknowledgeAsync(CancellationToken cancellationToken) =>
        Channel.BasicAckAsync(DeliveryTag, multiple: false, cancellationToken);

    public ValueTask RejectAsync(CancellationToken cancellationToken) =>
        Channel.BasicRejectAsync(DeliveryTag, requeue: false, cancellationToken);
}

/// <summary>
/// Consumes some queues on one channel and one callback, and keeps doing so: whatever ends it (connection lost, channel closed, queue deleted,
/// consumer cancelled by the broker) the queues are declared and consumed again. Messages come one at a time in the callback, which must be
/// quick (RabbitMQ.Client's ConsumerDispatchConcurrency is 1, and we rely on it): the work is handed on.
/// </summary>
internal sealed partial class QueueConsumer : IAsyncDisposable
{
    private readonly BrokerConnection _connection;
    private readonly IReadOnlyList<Subscription> _subscriptions;
    private readonly Func<ConsumedMessage, CancellationToken, Task> _handle;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Declarer _declarer;
    private readonly object?[] _streamOffsets;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();
    private TaskCompletionSource<IChannel> _consuming = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private List<Receiver> _receivers = [];
    private bool _cancelled;
    private Task? _loop;

    public QueueConsumer(
        BrokerConnection connection, IReadOnlyList<Subscription> subscriptions, Func<ConsumedMessage, CancellationToken, Task> handle,
        TimeProvider time, ILogger logger)
    {
        (_connection, _subscriptions, _handle, _time, _logger) = (connection, subscriptions, handle, time, logger);
        _declarer = new Declarer(logger);
        _streamOffsets = [.. subscriptions.Select(_ => "last")];
    }

    /// <summary>Waits until the queues are consumed; the first call starts it.</summary>
    /// <exception cref="DeclarationRefusedException">A queue exists with other properties; waiting would not help.</exception>
    public async Task ConsumingAsync(CancellationToken cancellationToken)
    {
        Task<IChannel> consuming;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
            _loop ??= RunAsync(_stopping.Token);
            consuming = _consuming.Task;
        }

        await consuming.WaitAsync(cancellationToken);
    }

    /// <summary>
    /// Asks the broker for no more messages. When it returns, every message that had been delivered has been through the callback. Where the queues are not
    /// consumed just then they are not consumed again; what such an attempt is given all the same, the callback must leave alone.
    /// </summary>
    public async Task StopConsumingAsync(CancellationToken cancellationToken)
    {
        List<Receiver> receivers;
        lock (_lock)
        {
            _cancelled = true;
            receivers = _receivers;
        }

        foreach (var receiver in receivers.Where(receiver => receiver.Channel.IsOpen))
        {
            try
            {
                await receiver.Channel.BasicCancelAsync(receiver.Tag, noWait: false, cancellationToken);
                // The answer is queued behind the deliveries before it.
                await receiver.Ended.WaitAsync(cancellationToken);
            }
            catch (Exception e) when (e.IsBrokerFault(cancellationToken))
            {
                LogCancelFailed(receiver.Queue, e.Describe());
            }
        }
    }

    /// <summary>Ends it, and deletes the queues that are ours alone.</summary>
    public async ValueTask DisposeAsync()
    {
        var loop = _loop;
        var state = _connection.State;
        if (loop is not null && !_stopping.IsCancellationRequested && state.IsConnected)
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5), _time);
            try
            {
                await StopConsumingAsync(limit.Token);
                var connection = await _connection.ConnectedAsync(0, limit.Token);
                foreach (var subscription in _subscriptions.Where(subscription => subscription.DeleteOnClose))
                {
                    await _declarer.DeleteQueueAsync(connection, subscription.Queue.Name, limit.Token);
                }
            }
            catch (Exception e) when (e is OperationCanceledException or MessageDeliveryException or ObjectDisposedException)
            {
                LogCancelFailed(string.Join(", ", _subscriptions.Select(subscription => subscription.Queue.Name)), e.Message);
            }
        }

        await _stopping.CancelAsync();
        if (loop is not null)
        {
            await loop;
        }
    }

    private async Task RunAsync(CancellationToken stopping)
    {
        await Task.Yield();
        var delays = new ReconnectDelays(_connection.Options, 1);
        try
        {
            while (!stopping.IsCancellationRequested && !IsCancelled)
            {
                TimeSpan delay;
                try
                {
                    var connection = await _connection.ConnectedAsync(-1, stopping);
                    if (IsCancelled)
                    {
                        return; // while the broker was away
                    }

                    var reason = await ConsumeAsync(connection, delays, stopping);
                    if (IsCancelled)
                    {
                        return;
                    }

                    LogEnded(Names, reason);
                    // After a lost connection the wait is the connection's business.
                    delay = connection.IsOpen ? TimeSpan.FromSeconds(_connection.Options.KombuReconnectDelay) : TimeSpan.Zero;
                }
                catch (DeclarationRefusedException e)
                {
                    delay = delays.AfterFailure();
                    LogRefused(e.Message, delay.TotalSeconds);
                    Fail(e);
                }
                catch (Exception e) when (e.IsBrokerFault(stopping) && !_connection.IsDisposed)
                {
                    delay = delays.AfterFailure();
                    LogFailed(Names, e.Describe(), delay.TotalSeconds);
                }

                await Task.Delay(delay, _time, stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // disposed
        }
        catch (Exception e) when (e.IsBrokerFault(stopping) && _connection.IsDisposed)
        {
            LogTransportClosed(Names);
        }
    }

    /// <summary>Declares and consumes; returns why it ended.</summary>
    private async Task<string> ConsumeAsync(IConnection connection, ReconnectDelays delays, CancellationToken stopping)
    {
        foreach (var subscription in _subscriptions)
        {
            await _declarer.DeclareAsync(connection, subscription.Exchange, subscription.Queue, subscription.RoutingKey, stopping);
        }

        var channel = await connection.CreateChannelAsync(cancellationToken: stopping);
        try
        {
            var ended = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            channel.ChannelShutdownAsync += (_, reason) =>
            {
                ended.TrySetResult($"{reason.ReplyCode} {reason.ReplyText}");
                return Task.CompletedTask;
            };
            if (_connection.Options.RabbitQosPrefetchCount > 0)
            {
                await channel.BasicQosAsync(0, (ushort)_connection.Options.RabbitQosPrefetchCount, global: false, stopping);
            }

            List<Receiver> receivers = [];
            for (var i = 0; i < _subscriptions.Count; i++)
            {
                var receiver = new Receiver(this, channel, i, ended);
                var arguments = _subscriptions[i].ConsumerArguments.ToDictionary();
                if (_subscriptions[i].IsStream)
                {
                    arguments["x-stream-offset"] = _streamOffsets[i];
                }

                await channel.BasicConsumeAsync(
                    receiver.Queue, autoAck: false, receiver.Tag, noLocal: false, exclusive: false, arguments, receiver, stopping);
                receivers.Add(receiver);
            }

            if (!Begin(channel, receivers))
            {
                return "it was cancelled meanwhile";
            }

            delays.Reset();
            LogConsuming(Names);
            return await ended.Task.WaitAsync(stopping);
        }
        finally
        {
            End();
            await CloseAsync(channel);
        }
    }

    private bool IsCancelled
    {
        get
        {
            lock (_lock)
            {
                return _cancelled;
            }
        }
    }

    /// <summary>False: no more messages are wanted; whoever said so did not see these receivers.</summary>
    private bool Begin(IChannel channel, List<Receiver> receivers)
    {
        lock (_lock)
        {
            if (_cancelled)
            {
                return false;
            }

            _receivers = receivers;
            if (_consuming.Task.IsCompleted)
            {
                _consuming = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            _consuming.SetResult(channel);
            return true;
        }
    }

    private void End()
    {
        lock (_lock)
        {
            _receivers = [];
            if (_consuming.Task.IsCompletedSuccessfully)
            {
                _consuming = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }

    private void Fail(DeclarationRefusedException refusal)
    {
        lock (_lock)
        {
            if (_consuming.Task.IsFaulted)
            {
                return;
            }

            _consuming.TrySetException(refusal);
            _ = _consuming.Task.Exception; // observed: nobody may be waiting
        }
    }

    private async Task CloseAsync(IChannel channel)
    {
        try
        {
            await channel.DisposeAsync();
        }
        catch (Exception e) when (e.IsBrokerFault(CancellationToken.None))
        {
            LogCancelFailed(Names, e.Describe());
        }
    }

    private string Names => string.Join(", ", _subscriptions.Select(subscription => subscription.Queue.Name));

    /// <summary>The consumer of one queue. Tags are small numbers, as oslo's.</summary>
    private sealed class Receiver(QueueConsumer owner, IChannel channel, int index, TaskCompletionSource<string> ended)
        : AsyncDefaultBasicConsumer(channel)
    {
        private readonly TaskCompletionSource<bool> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Tag { get; } = (index + 1).ToString(System.Globalization.CultureInfo.InvariantCulture);

        public string Queue => owner._subscriptions[index].Queue.Name;

        public Task Ended => _end.Task;

        public override async Task HandleBasicDeliverAsync(
            string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties,
            ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            var headers = properties.Headers;
            var compression = headers?.TryGetValue(BodyCompression.Header, out var type) == true && type is byte[] text
                ? System.Text.Encoding.UTF8.GetString(text)
                : null;
            // The memory of the body is the client's and lives as long as this callback.
            var message = new ConsumedMessage(Channel, deliveryTag, body.ToArray(), compression);
            try
            {
                await owner._handle(message, owner._stopping.Token);
            }
            catch (Exception e) when (e.IsBrokerFault(owner._stopping.Token))
            {
                owner.LogFailed(Queue, e.Describe(), 0);
            }

            if (headers?.TryGetValue("x-stream-offset", out var offset) == true && offset is long position)
            {
                owner._streamOffsets[index] = position + 1;
            }
        }

        public override Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default)
        {
            _end.TrySetResult(true);
            ended.TrySetResult($"the broker cancelled the consumer of {Queue}");
            return base.HandleBasicCancelAsync(consumerTag, cancellationToken);
        }

        public override Task HandleBasicCancelOkAsync(string consumerTag, CancellationToken cancellationToken = default)
        {
            _end.TrySetResult(true);
            return base.HandleBasicCancelOkAsync(consumerTag, cancellationToken);
        }

        public override Task HandleChannelShutdownAsync(object channel, RabbitMQ.Client.Events.ShutdownEventArgs reason)
        {
            _end.TrySetResult(true);
            return base.HandleChannelShutdownAsync(channel, reason);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Consuming {Queues}")]
    private partial void LogConsuming(string queues);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Consuming {Queues} ended with the transport")]
    private partial void LogTransportClosed(string queues);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Consuming {Queues} ended: {Reason}. Declaring and consuming again")]
    private partial void LogEnded(string queues, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Consuming {Queues} failed: {Reason}. Next attempt in {Delay} s")]
    private partial void LogFailed(string queues, string reason, double delay);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Reason}. Next attempt in {Delay} s")]
    private partial void LogRefused(string reason, double delay);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Cancelling the consumer of {Queue} failed: {Reason}")]
    private partial void LogCancelFailed(string queue, string reason);
}
