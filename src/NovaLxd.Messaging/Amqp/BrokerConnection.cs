using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace NovaLxd.Messaging.Amqp;

/// <summary>
/// One connection to the broker that comes back. A loop of our own instead of RabbitMQ.Client's automatic recovery, because that one retries
/// at a fixed interval without backoff, does not try at all when the first connection fails, replays a recorded topology blindly (a channel
/// the broker closed with 404 or 406 stays closed), and knows one set of credentials for all hosts. Here consumers and publishers rebuild
/// what they need on whatever connection there is. The first use starts the loop.
/// </summary>
internal sealed partial class BrokerConnection : IAsyncDisposable
{
    private static readonly TimeSpan CloseTimeout = TimeSpan.FromSeconds(3);

    private readonly string _purpose;
    private readonly BrokerAddress _address;
    private readonly MessagingMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();
    private TaskCompletionSource<IConnection> _connected = NewSource<IConnection>();
    private TaskCompletionSource<string> _attemptFailed = NewSource<string>();
    private TaskCompletionSource<bool> _unblocked = NewSource<bool>();
    private Task? _loop;

    public BrokerConnection(string purpose, BrokerAddress address, MessagingMetrics metrics, TimeProvider time, ILogger logger)
    {
        (_purpose, _address, _metrics, _time, _logger) = (purpose, address, metrics, time, logger);
        _unblocked.SetResult(true);
    }

    public BrokerState State { get; private set; } = new(false, null, null, null, null, null);

    public RabbitOptions Options => _address.Options;

    /// <summary>Waits for an open connection.</summary>
    /// <param name="retry">Failed attempts to live through; -1: any number. 0 still waits for an attempt that is under way.</param>
    /// <exception cref="MessageDeliveryException">So many attempts failed.</exception>
    public async Task<IConnection> ConnectedAsync(int retry, CancellationToken cancellationToken)
    {
        Start();
        for (var failures = 0; ;)
        {
            Task<IConnection> connected;
            Task<string> failed;
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
                (connected, failed) = (_connected.Task, _attemptFailed.Task);
            }

            var first = retry < 0 ? connected : await Task.WhenAny(connected, failed).WaitAsync(cancellationToken);
            if (first == connected)
            {
                return await connected.WaitAsync(cancellationToken);
            }

            var error = await failed;
            if (++failures > retry)
            {
                throw new MessageDeliveryException($"RabbitMQ at {_address.Url} cannot be reached: {error}");
            }
        }
    }

    /// <summary>Waits while the broker takes no messages.</summary>
    public Task UnblockedAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return _unblocked.Task.WaitAsync(cancellationToken);
        }
    }

    public bool IsDisposed => _stopping.IsCancellationRequested;

    /// <summary>Whether the broker was away not long ago, so that peers may not have bound their queues again.</summary>
    public bool IsRecentlyReconnected(TimeSpan window) => State is { Since: { } since, LastErrorAt: not null } && _time.GetUtcNow() - since < window;

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        Task? loop;
        lock (_lock)
        {
            loop = _loop;
        }

        if (loop is not null)
        {
            await loop;
        }

        lock (_lock)
        {
            _connected.TrySetException(new ObjectDisposedException(nameof(BrokerConnection)));
            _ = _connected.Task.Exception; // observed: nobody may be waiting
        }
    }

    private void Start()
    {
        lock (_lock)
        {
            if (!_stopping.IsCancellationRequested)
            {
                _loop ??= RunAsync(_stopping.Token);
            }
        }
    }

    private async Task RunAsync(CancellationToken stopping)
    {
        await Task.Yield();
        var hosts = new HostOrder(_address.Url.Hosts, Options.KombuFailoverStrategy);
        var delays = new ReconnectDelays(Options, hosts.Count);
        try
        {
            while (!stopping.IsCancellationRequested)
            {
                var host = hosts.Next();
                try
                {
                    await UseAsync(host, delays, stopping);
                    await Task.Delay(ReconnectDelay(), _time, stopping);
                }
                catch (Exception e) when (e.IsBrokerFault(stopping))
                {
                    var delay = delays.AfterFailure();
                    Failed(host, e.Describe(), delay);
                    await Task.Delay(delay, _time, stopping);
                }
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // disposed
        }
    }

    /// <summary>Connects, and returns when the connection is lost or we stop.</summary>
    private async Task UseAsync(TransportHost host, ReconnectDelays delays, CancellationToken stopping)
    {
        // The form of oslo's connection_name, so that operators recognise it in rabbitmqctl list_connections.
        var name = $"{Path.GetFileName(Environment.GetCommandLineArgs()[0])}:{Environment.ProcessId}:{Guid.NewGuid():D}";
        var connection = await _address.ConnectAsync(host, name, stopping);
        var lost = NewSource<string>();
        connection.ConnectionShutdownAsync += (_, reason) =>
        {
            lost.TrySetResult(reason.Exception?.Describe() ?? $"{reason.ReplyCode} {reason.ReplyText}");
            return Task.CompletedTask;
        };
        connection.ConnectionBlockedAsync += (_, blocked) => Blocked(blocked.Reason);
        connection.ConnectionUnblockedAsync += (_, _) => Blocked(null);
        if (!connection.IsOpen)
        {
            lost.TrySetResult("closed at once");
        }

        delays.Reset();
        Opened(host, connection, name);
        try
        {
            var reason = await lost.Task.WaitAsync(stopping);
            Lost(host, reason);
        }
        finally
        {
            Closed();
            await DisposeAsync(connection, graceful: stopping.IsCancellationRequested);
        }
    }

    private TimeSpan ReconnectDelay() => TimeSpan.FromSeconds(
        Options.KombuReconnectDelay + (Options.KombuReconnectSplay * RandomNumberGenerator.GetInt32(1000) / 1000.0));

    private void Opened(TransportHost host, IConnection connection, string name)
    {
        lock (_lock)
        {
            State = State with { IsConnected = true, Host = host.ToString(), Since = _time.GetUtcNow(), BlockedReason = null };
            _connected.TrySetResult(connection);
        }

        _metrics.Connected(_purpose);
        LogConnected(_purpose, host, name);
    }

    private void Closed()
    {
        lock (_lock)
        {
            State = State with { IsConnected = false, Since = _time.GetUtcNow(), BlockedReason = null };
            if (_connected.Task.IsCompletedSuccessfully)
            {
                _connected = NewSource<IConnection>();
            }

            _unblocked.TrySetResult(true);
        }
    }

    private void Lost(TransportHost host, string reason)
    {
        RecordError(reason);
        _metrics.Lost(_purpose);
        LogLost(_purpose, host, reason);
    }

    private void Failed(TransportHost host, string reason, TimeSpan delay)
    {
        RecordError($"{host}: {reason}");
        LogUnreachable(_purpose, host, reason, delay.TotalSeconds);
        lock (_lock)
        {
            _attemptFailed.TrySetResult(reason);
            _attemptFailed = NewSource<string>();
        }
    }

    private void RecordError(string reason)
    {
        lock (_lock)
        {
            State = State with { LastError = reason, LastErrorAt = _time.GetUtcNow() };
        }
    }

    private Task Blocked(string? reason)
    {
        lock (_lock)
        {
            State = State with { BlockedReason = reason };
            if (reason is not null && _unblocked.Task.IsCompleted)
            {
                _unblocked = NewSource<bool>();
            }
            else if (reason is null)
            {
                _unblocked.TrySetResult(true);
            }
        }

        if (reason is not null)
        {
            LogBlocked(_purpose, reason);
        }
        else
        {
            LogUnblocked(_purpose);
        }

        return Task.CompletedTask;
    }

    private async Task DisposeAsync(IConnection connection, bool graceful)
    {
        try
        {
            // A dead connection may hang in its own goodbye.
            await (graceful ? connection.CloseAsync(CloseTimeout) : connection.AbortAsync(CloseTimeout)).WaitAsync(CloseTimeout * 2);
            await connection.DisposeAsync().AsTask().WaitAsync(CloseTimeout);
        }
        catch (Exception e) when (e.IsBrokerFault(CancellationToken.None))
        {
            LogCloseFailed(_purpose, e.Describe());
        }
    }

    private static TaskCompletionSource<T> NewSource<T>() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    [LoggerMessage(Level = LogLevel.Information, Message = "Connected to RabbitMQ at {Host} to {Purpose} as {Name}")]
    private partial void LogConnected(string purpose, TransportHost host, string name);

    [LoggerMessage(Level = LogLevel.Error, Message = "Lost the connection to RabbitMQ at {Host} ({Purpose}): {Reason}")]
    private partial void LogLost(string purpose, TransportHost host, string reason);

    [LoggerMessage(Level = LogLevel.Error,
        Message = "RabbitMQ at {Host} cannot be reached to {Purpose}: {Reason}. Next attempt in {Delay} s; check transport_url and the broker")]
    private partial void LogUnreachable(string purpose, TransportHost host, string reason, double delay);

    [LoggerMessage(Level = LogLevel.Error, Message = "RabbitMQ has blocked the connection to {Purpose}: {Reason}; messages wait")]
    private partial void LogBlocked(string purpose, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "RabbitMQ has unblocked the connection to {Purpose}")]
    private partial void LogUnblocked(string purpose);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Closing the connection to {Purpose} failed: {Reason}")]
    private partial void LogCloseFailed(string purpose, string reason);
}
