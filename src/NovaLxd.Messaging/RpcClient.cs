using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging.Amqp;
using NovaLxd.Messaging.Client;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging;

/// <summary>
/// Sends requests. While the broker is away a request waits: a call until its timeout, casts until the caller's token is cancelled, as with
/// oslo.messaging. A call in flight when the connection breaks goes on waiting for its reply. Different from oslo, a call for which no queue
/// is bound is tried again until its timeout, and so is a cast just after the broker came back; oslo loses both.
/// </summary>
public sealed partial class RpcClient
{
    private static readonly TimeSpan UnroutableDelay = TimeSpan.FromMilliseconds(250);

    private readonly RabbitTransport _transport;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    public RpcClient(RabbitTransport transport)
    {
        ArgumentNullException.ThrowIfNull(transport);
        _transport = transport;
        _time = transport.Time;
        _logger = transport.Loggers.CreateLogger<RpcClient>();
    }

    /// <summary>Sends a request and waits for its result.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="context">On whose behalf.</param>
    /// <param name="method">Method name.</param>
    /// <param name="arguments">Named arguments.</param>
    /// <param name="timeout">Give up after this time; null: <c>rpc_response_timeout</c>.</param>
    /// <param name="callMonitorTimeout">Ask for heartbeats, and give up after this time of silence (whole seconds); null: none.</param>
    /// <param name="cancellationToken">Stops waiting; the request may be carried out all the same.</param>
    /// <exception cref="RemoteFailureException">The other side answered with an exception.</exception>
    /// <exception cref="RpcTimeoutException">No reply in time, or no broker in time.</exception>
    /// <exception cref="DeclarationRefusedException">The control exchange exists with other properties.</exception>
    public async Task<JToken?> CallAsync(
        RpcTarget target, RequestContext context, string method, JObject arguments,
        TimeSpan? timeout = null, TimeSpan? callMonitorTimeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(context);
        var limit = timeout ?? TimeSpan.FromSeconds(_transport.Options.RpcResponseTimeout);
        var started = _time.GetTimestamp();
        var outcome = "error";
        using var deadline = new CancellationTokenSource(limit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var replies = _transport.Replies;
        var messageId = RequestPayload.NewId();
        var reader = replies.Expect(messageId);
        try
        {
            var payload = RequestPayload.Write(target, context, method, arguments, (messageId, replies.Name, callMonitorTimeout));
            var message = new Outgoing(
                _transport.Topology.ControlExchange, target.RoutingKey, OsloEnvelope.Wrap(payload), Mandatory: true, Expiration: limit);
            await SendCallAsync(message, method, limit, deadline, either.Token);
            var result = await ReceiveAsync(reader, target, method, messageId, limit, callMonitorTimeout, deadline, cancellationToken);
            outcome = "ok";
            return result;
        }
        catch (RemoteFailureException)
        {
            outcome = "failure";
            throw;
        }
        catch (RpcTimeoutException)
        {
            outcome = "timeout";
            throw;
        }
        finally
        {
            replies.Forget(messageId);
            _transport.Metrics.Called(method, outcome, _time.GetElapsedTime(started));
        }
    }

    /// <summary>Sends a request to one server of the topic and does not wait for it to be carried out; returns when the broker has it.</summary>
    public async Task CastAsync(
        RpcTarget target, RequestContext context, string method, JObject arguments, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(context);
        var payload = RequestPayload.Write(target, context, method, arguments, call: null);
        var message = new Outgoing(_transport.Topology.ControlExchange, target.RoutingKey, OsloEnvelope.Wrap(payload), Mandatory: true);
        var window = TimeSpan.FromSeconds(_transport.Send.Options.KombuMissingConsumerRetryTimeout);
        while (true)
        {
            try
            {
                await _transport.Publisher.PublishAsync(message, retry: -1, cancellationToken);
                _transport.Metrics.Sent(method, "cast", "ok");
                return;
            }
            catch (UndeliverableException e) when (!_transport.Send.IsRecentlyReconnected(window))
            {
                LogCastDropped(method, e.Message);
                _transport.Metrics.Sent(method, "cast", "dropped");
                return;
            }
            catch (UndeliverableException e)
            {
                LogUnroutable(method, e.Message);
            }

            await Task.Delay(UnroutableDelay, _time, cancellationToken);
        }
    }

    /// <summary>Sends a request to every server of the topic; returns when the broker has it. The target's server is not looked at.</summary>
    public async Task FanoutAsync(
        RpcTarget target, RequestContext context, string method, JObject arguments, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(context);
        var payload = RequestPayload.Write(target, context, method, arguments, call: null);
        var message = new Outgoing(_transport.Topology.FanoutExchange(target.Topic), "", OsloEnvelope.Wrap(payload));
        await _transport.Publisher.PublishAsync(message, retry: -1, cancellationToken);
        _transport.Metrics.Sent(method, "fanout", "ok");
    }

    private async Task SendCallAsync(
        Outgoing message, string method, TimeSpan limit, CancellationTokenSource deadline, CancellationToken cancellationToken)
    {
        string? unroutable = null;
        try
        {
            await _transport.Replies.ReadyAsync(cancellationToken);
            while (true)
            {
                try
                {
                    await _transport.Publisher.PublishAsync(message, retry: -1, cancellationToken);
                    return;
                }
                catch (UndeliverableException e)
                {
                    LogUnroutable(method, e.Message);
                    unroutable = e.Message;
                }

                await Task.Delay(UnroutableDelay, _time, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            var reason = unroutable ?? _transport.Sending.BlockedReason ?? _transport.Sending.LastError ?? _transport.Listening.LastError;
            throw new RpcTimeoutException($"{method} could not be sent to {message.RoutingKey} within {limit.TotalSeconds} s: {reason}");
        }
    }

    /// <summary>
    /// Waits for the reply that ends the call. A reply with a result and no end (old servers) is remembered; one with neither is a
    /// heartbeat and winds the monitor up again.
    /// </summary>
    private async Task<JToken?> ReceiveAsync(
        ChannelReader<ReplyPayload> replies, RpcTarget target, string method, string messageId, TimeSpan limit, TimeSpan? monitor,
        CancellationTokenSource deadline, CancellationToken cancellationToken)
    {
        using var silence = new CancellationTokenSource(Timeout.InfiniteTimeSpan, _time);
        using var any = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, silence.Token, cancellationToken);
        silence.CancelAfter(monitor ?? Timeout.InfiniteTimeSpan);
        JToken? result = null;
        RemoteFailure? failure = null;
        try
        {
            while (true)
            {
                var reply = await replies.ReadAsync(any.Token);
                result = reply.Result ?? result;
                failure = reply.Failure ?? failure;
                if (reply.Ending)
                {
                    return failure is null ? result : throw new RemoteFailureException(failure);
                }

                if (reply is { Result: null, Failure: null } && monitor is { } period)
                {
                    silence.CancelAfter(period);
                }
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new RpcTimeoutException(deadline.IsCancellationRequested
                ? $"{method} at {target.RoutingKey} was not answered within {limit.TotalSeconds} s (message {messageId})"
                : $"{method} at {target.RoutingKey} was silent for {monitor?.TotalSeconds} s (message {messageId})");
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cast {Method} is dropped: {Reason}")]
    private partial void LogCastDropped(string method, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Method} is tried again: {Reason}")]
    private partial void LogUnroutable(string method, string reason);
}
