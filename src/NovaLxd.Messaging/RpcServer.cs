using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging.Server;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging;

/// <summary>A request that was acknowledged and is not finished.</summary>
/// <param name="Method">RPC method.</param>
/// <param name="RequestId">Request id of its context.</param>
/// <param name="IsCall">Whether a caller waits.</param>
/// <param name="IsRunning">Whether its handler has started; otherwise it waits for a free one.</param>
/// <param name="Since">When it came, or when its handler started.</param>
public sealed record RpcInProgress(string Method, string? RequestId, bool IsCall, bool IsRunning, DateTimeOffset Since);

/// <summary>
/// Answers requests on one or more topics: per topic the queue of the topic, of this host and of the fanout. Rules in
/// <see cref="TopicListener"/> (acknowledgement, duplicates, concurrency) and <see cref="ReplySender"/>.
/// Stopping: <see cref="StopConsumingAsync"/> per topic where order matters, then <see cref="StopAsync"/>, then dispose.
/// </summary>
public sealed partial class RpcServer : IAsyncDisposable
{
    private static readonly TimeSpan AbortGrace = TimeSpan.FromSeconds(5);

    private readonly RpcMethodTable _methods;
    private readonly Func<Exception, RemoteFailure> _mapFailure;
    private readonly MessagingMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ReplySender _replies;
    private readonly List<TopicListener> _listeners;
    private readonly ConcurrentDictionary<RequestPayload, RpcInProgress> _inProgress = new(ReferenceEqualityComparer.Instance);

    /// <summary>Ends handlers that take too long at shutdown; their failure can still be sent.</summary>
    private readonly CancellationTokenSource _abort = new();

    /// <summary>Ends replies that cannot be sent.</summary>
    private readonly CancellationTokenSource _closed = new();

    /// <param name="transport">The bus.</param>
    /// <param name="topics">E.g. <c>compute</c>, and from 2026.1 <c>compute-alt</c> too.</param>
    /// <param name="server">Nova's <c>[DEFAULT]/host</c>.</param>
    /// <param name="methods">What is answered; <c>oslo_rpc_server_ping</c> is added when <c>rpc_ping_enabled</c> is set.</param>
    /// <param name="mapFailure">Turns an exception of a handler into what the caller gets; default <see cref="RemoteFailure.From"/>.</param>
    public RpcServer(
        RabbitTransport transport, IEnumerable<string> topics, string server, RpcMethodTable methods,
        Func<Exception, RemoteFailure>? mapFailure = null)
    {
        ArgumentNullException.ThrowIfNull(transport);
        ArgumentNullException.ThrowIfNull(topics);
        ArgumentException.ThrowIfNullOrEmpty(server);
        ArgumentNullException.ThrowIfNull(methods);
        _methods = methods;
        _mapFailure = mapFailure ?? RemoteFailure.From;
        (_metrics, _time) = (transport.Metrics, transport.Time);
        _logger = transport.Loggers.CreateLogger<RpcServer>();
        _replies = new ReplySender(
            transport.Publisher, TimeSpan.FromSeconds(transport.Send.Options.KombuMissingConsumerRetryTimeout), _time, _logger);
        if (transport.Options.RpcPingEnabled)
        {
            methods.AddServerPing();
        }

        _listeners = [.. topics.Select(topic => new TopicListener(transport, topic, server, Accepted, RunAsync, _logger, _abort.Token))];
    }

    /// <summary>What was taken and is not finished, oldest first.</summary>
    public IReadOnlyList<RpcInProgress> InProgress => [.. _inProgress.Values.OrderBy(request => request.Since)];

    /// <summary>Starts, and returns when all topics are consumed. A broker that is away is waited for.</summary>
    /// <exception cref="DeclarationRefusedException">A queue or exchange exists with other properties.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var listener in _listeners)
        {
            await listener.StartAsync(cancellationToken);
            LogStarted(listener.Topic);
        }
    }

    /// <summary>Takes no new requests of this topic, or of all when null. What was taken goes on.</summary>
    public async Task StopConsumingAsync(string? topic, CancellationToken cancellationToken)
    {
        foreach (var listener in _listeners.Where(listener => topic is null || listener.Topic == topic))
        {
            await listener.StopConsumingAsync(cancellationToken);
            LogStopped(listener.Topic);
        }
    }

    /// <summary>
    /// After <see cref="StopConsumingAsync"/> of a topic: waits until what it took has finished and replied, while the other topics are served on. False: not
    /// within <paramref name="limit"/>.
    /// </summary>
    public Task<bool> DrainAsync(string topic, TimeSpan limit, CancellationToken cancellationToken) =>
        CompletesAsync(Task.WhenAll(_listeners.Where(l => l.Topic == topic).Select(l => l.DrainAsync())), limit, cancellationToken);

    /// <summary>
    /// Takes no new requests and lets those taken finish and reply. Handlers that need longer than <paramref name="limit"/> are cancelled.
    /// </summary>
    /// <returns>What did not finish even then.</returns>
    public async Task<IReadOnlyList<RpcInProgress>> StopAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        await StopConsumingAsync(null, cancellationToken);
        var drained = Task.WhenAll(_listeners.Select(listener => listener.DrainAsync()));
        if (!await CompletesAsync(drained, limit, cancellationToken))
        {
            foreach (var request in InProgress)
            {
                LogCancelled(request.Method, request.RequestId, limit.TotalSeconds);
            }

            await _abort.CancelAsync();
            await CompletesAsync(drained, AbortGrace, cancellationToken);
        }

        return InProgress;
    }

    /// <summary>Closes the topics, deletes the fanout queues that are ours alone. Handlers that still run are cancelled.</summary>
    public async ValueTask DisposeAsync()
    {
        await _abort.CancelAsync();
        await _closed.CancelAsync();
        foreach (var listener in _listeners)
        {
            await listener.DisposeAsync();
        }
    }

    private async Task<bool> CompletesAsync(Task task, TimeSpan limit, CancellationToken cancellationToken)
    {
        try
        {
            await task.WaitAsync(limit, _time, cancellationToken);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    /// <summary>Carries out one request: handler under heartbeats, then the reply.</summary>
    private async Task RunAsync(RequestPayload payload)
    {
        var request = payload.Request;
        var started = _time.GetTimestamp();
        _inProgress[payload] = Describe(request, isRunning: true);
        _metrics.Started(request.Method);
        using var scope = _logger.BeginScope(new Dictionary<string, object?>
        {
            ["request_id"] = request.Context.RequestId,
            ["global_request_id"] = request.Context.GlobalRequestId,
            ["user_identity"] = request.Context["user_identity"]?.ToString(),
        });
        var failure = (RemoteFailure?)null;
        try
        {
            JToken? result;
            (result, failure) = await HandleWithHeartbeatsAsync(payload);
            if (payload is { MessageId: { } messageId, ReplyQueue: { } queue })
            {
                await _replies.ReplyAsync(queue, new ReplyPayload(messageId, result, failure, Ending: true, null), _closed.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or MessageDeliveryException or ObjectDisposedException)
        {
            LogNotReplied(request.Method, e.Message);
        }
        finally
        {
            _metrics.Served(request.Method, request.IsCall, failure?.Class ?? "ok", _time.GetElapsedTime(started));
            _inProgress.TryRemove(payload, out _);
        }
    }

    private void Accepted(RequestPayload payload) => _inProgress[payload] = Describe(payload.Request, isRunning: false);

    private RpcInProgress Describe(RpcRequest request, bool isRunning) =>
        new(request.Method, request.Context.RequestId, request.IsCall, isRunning, _time.GetUtcNow());

    private async Task<(JToken? Result, RemoteFailure? Failure)> HandleWithHeartbeatsAsync(RequestPayload payload)
    {
        using var done = CancellationTokenSource.CreateLinkedTokenSource(_closed.Token);
        var heartbeats = HeartbeatsAsync(payload, done.Token);
        try
        {
            return await HandleAsync(payload.Request);
        }
        finally
        {
            // No heartbeat may follow the final reply.
            await done.CancelAsync();
            await heartbeats;
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "Whatever a handler throws is the caller's to know; it is logged and sent.")]
    private async Task<(JToken? Result, RemoteFailure? Failure)> HandleAsync(RpcRequest request)
    {
        try
        {
            return (await _methods.Find(request)(request, _abort.Token), null);
        }
        catch (RpcFailureException e)
        {
            // Expected by the handler, or an unknown method. Nova asks optional methods by names that end in _ignore_errors.
            if (request.Method.EndsWith("_ignore_errors", StringComparison.Ordinal))
            {
                LogIgnored(request.Method, e.Message);
            }
            else
            {
                LogFailed(request.Method, e.Failure.Class, e.Message);
            }

            return (null, _mapFailure(e).WithTraceback(e));
        }
        catch (Exception e)
        {
            LogException(e, request.Method);
            return (null, _mapFailure(e).WithTraceback(e));
        }
    }

    /// <summary>While a monitored call runs its caller hears from us twice per timeout (oslo.messaging <c>dispatcher.py:_watchdog</c>).</summary>
    private async Task HeartbeatsAsync(RequestPayload payload, CancellationToken cancellationToken)
    {
        if (payload is not { MessageId: { } messageId, ReplyQueue: { } queue, MonitorTimeout: { } seconds and >= 2 })
        {
            return;
        }

        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(seconds / 2), _time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                await _replies.HeartbeatAsync(queue, messageId, cancellationToken);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // the handler is done, or the transport is closed
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Taking requests of topic {Topic}")]
    private partial void LogStarted(string topic);

    [LoggerMessage(Level = LogLevel.Information, Message = "No longer taking requests of topic {Topic}")]
    private partial void LogStopped(string topic);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Method} of {RequestId} did not finish within {Seconds} s and is cancelled")]
    private partial void LogCancelled(string method, string? requestId, double seconds);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The reply to {Method} was not sent: {Reason}")]
    private partial void LogNotReplied(string method, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Method} answers {FailureClass}: {Reason}")]
    private partial void LogFailed(string method, string failureClass, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Method} is ignored: {Reason}")]
    private partial void LogIgnored(string method, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} failed")]
    private partial void LogException(Exception exception, string method);
}
