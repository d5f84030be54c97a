using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using NovaLxd.Messaging.Amqp;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging.Server;

/// <summary>
/// One topic of a server: its three queues (any worker, this host, fanout), its duplicate filter and its executor. A message is acknowledged
/// as soon as it was read and before anything is done, as oslo.messaging does: delivery is at most once, and nothing runs twice after a crash.
/// Messages wait in memory while <c>executor_thread_pool_size</c> handlers run. Each topic has an executor of its own, since Nova sends what
/// a waiting build needs (external events) to another topic than the builds.
/// </summary>
internal sealed partial class TopicListener : IAsyncDisposable
{
    private readonly QueueConsumer _consumer;
    private readonly DuplicateFilter _seen = new();
    private readonly Channel<RequestPayload> _waiting = Channel.CreateUnbounded<RequestPayload>(new UnboundedChannelOptions { SingleReader = true });
    private readonly SemaphoreSlim _slots;
    private readonly HashSet<Task> _running = [];
    private readonly Action<RequestPayload> _accepted;
    private readonly Func<RequestPayload, Task> _run;
    private readonly CancellationToken _abort;
    private readonly ILogger _logger;
    private volatile bool _stopped;
    private Task? _pump;

    /// <param name="transport">The bus.</param>
    /// <param name="topic">E.g. <c>compute</c>.</param>
    /// <param name="server">The host, second part of the host queue's name.</param>
    /// <param name="accepted">Told of a request as soon as it is ours to carry out.</param>
    /// <param name="run">Carries out a request; must not throw.</param>
    /// <param name="logger">Log.</param>
    /// <param name="abort">Ends waiting for a free handler at shutdown.</param>
    public TopicListener(
        RabbitTransport transport, string topic, string server, Action<RequestPayload> accepted, Func<RequestPayload, Task> run, ILogger logger,
        CancellationToken abort)
    {
        Topic = topic;
        (_accepted, _run, _abort, _logger) = (accepted, run, abort, logger);
        _slots = new SemaphoreSlim(transport.Options.ExecutorThreadPoolSize);
        Subscription[] subscriptions =
        [
            transport.Topology.Topic(topic),
            transport.Topology.Topic($"{topic}.{server}"),
            transport.Topology.Fanout(topic, transport.Names.Next()),
        ];
        _consumer = new QueueConsumer(transport.Listen, subscriptions, ReceiveAsync, transport.Time, logger);
    }

    public string Topic { get; }

    /// <summary>Waits until the queues are consumed.</summary>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _pump ??= PumpAsync();
        return _consumer.ConsumingAsync(cancellationToken);
    }

    /// <summary>No new messages; what was acknowledged still runs.</summary>
    public async Task StopConsumingAsync(CancellationToken cancellationToken)
    {
        await _consumer.StopConsumingAsync(cancellationToken);
        _stopped = true;
        _waiting.Writer.TryComplete();
    }

    /// <summary>After <see cref="StopConsumingAsync"/>: completes when everything that was acknowledged has run.</summary>
    public async Task DrainAsync()
    {
        if (_pump is not null)
        {
            await _pump;
        }

        Task[] running;
        lock (_running)
        {
            running = [.. _running];
        }

        await Task.WhenAll(running);
    }

    public async ValueTask DisposeAsync()
    {
        await _consumer.DisposeAsync();
        _waiting.Writer.TryComplete();
    }

    private async Task ReceiveAsync(ConsumedMessage message, CancellationToken cancellationToken)
    {
        RequestPayload request;
        try
        {
            request = RequestPayload.Read(OsloEnvelope.Open(BodyCompression.Decompress(message.Body, message.Compression)));
        }
        catch (MalformedMessageException e)
        {
            LogMalformed(Topic, e.Message);
            await message.RejectAsync(cancellationToken);
            return;
        }

        if (_stopped)
        {
            // A consumer that was just being made anew when we stopped. Not acknowledged, it goes back into its queue with the channel.
            LogLeft(request.Request.Method, request.UniqueId);
            return;
        }

        try
        {
            await message.AcknowledgeAsync(cancellationToken);
        }
        catch (Exception e) when (e.IsBrokerFault(cancellationToken))
        {
            // The broker will deliver it again, to us or to another worker.
            LogNotAcknowledged(request.Request.Method, e.Describe());
            return;
        }

        if (_seen.IsDuplicate(request.UniqueId))
        {
            LogDuplicate(request.Request.Method, request.UniqueId);
            return;
        }

        _accepted(request);
        if (!_waiting.Writer.TryWrite(request))
        {
            LogTooLate(request.Request.Method, request.UniqueId);
        }
    }

    private async Task PumpAsync()
    {
        await Task.Yield();
        try
        {
            await foreach (var request in _waiting.Reader.ReadAllAsync(_abort))
            {
                await _slots.WaitAsync(_abort);
                var task = RunAsync(request);
                lock (_running)
                {
                    _running.Add(task);
                }

                _ = ForgetAsync(task);
            }
        }
        catch (OperationCanceledException) when (_abort.IsCancellationRequested)
        {
            // What still waits is lost, as it is for oslo; it stays in what the server reports as unfinished.
        }
    }

    private async Task RunAsync(RequestPayload request)
    {
        await Task.Yield(); // a handler that computes before its first await must not hold up the others
        try
        {
            await _run(request);
        }
        finally
        {
            _slots.Release();
        }
    }

    private async Task ForgetAsync(Task task)
    {
        await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_running)
        {
            _running.Remove(task);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A message for {Topic} cannot be read and is rejected: {Reason}")]
    private partial void LogMalformed(string topic, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Request {Method} is discarded, acknowledging it failed: {Reason}")]
    private partial void LogNotAcknowledged(string method, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Request {Method} came twice ({UniqueId}); the second is ignored")]
    private partial void LogDuplicate(string method, string? uniqueId);

    [LoggerMessage(Level = LogLevel.Information, Message = "Request {Method} ({UniqueId}) came after the server stopped and is left to another worker")]
    private partial void LogLeft(string method, string? uniqueId);

    [LoggerMessage(Level = LogLevel.Error, Message = "Request {Method} ({UniqueId}) came after the server stopped and is lost")]
    private partial void LogTooLate(string method, string? uniqueId);
}
