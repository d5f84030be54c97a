using System.Globalization;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging.Amqp;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging;

/// <summary>
/// Sends notifications by the drivers of <c>[oslo_messaging_notifications]</c>. A failure is logged and never reaches the caller; while the
/// broker is away the caller waits as long as <c>retry</c> says, with its default for ever, as with oslo.messaging.
/// </summary>
public sealed partial class NotificationSender : IAsyncDisposable
{
    /// <summary>What of a context may be seen by those who read notifications (oslo.messaging <c>notifier.py:_sanitize_context</c>).</summary>
    private static readonly HashSet<string> SafeContextKeys =
    [
        "user_id", "project_id", "domain_id", "user_domain_id", "project_domain_id", "is_admin", "request_id", "roles", "user_name",
        "project_name", "domain_name", "user_domain_name", "project_domain_name", "service_user_id", "service_user_domain_id",
        "service_user_domain_name", "service_project_id", "service_project_name", "service_project_domain_id", "service_project_domain_name",
        "service_roles", "global_request_id", "system_scope", "user", "domain", "user_domain", "project_domain",
    ];

    private readonly RabbitTransport _transport;
    private readonly NotificationOptions _options;
    private readonly ILogger _logger;
    private readonly BrokerConnection? _ownConnection;
    private readonly Publisher _publisher;
    private readonly Topology _topology;

    /// <exception cref="FormatException">The transport URL of the notifications is wrong.</exception>
    public NotificationSender(RabbitTransport transport, NotificationOptions options)
    {
        ArgumentNullException.ThrowIfNull(transport);
        ArgumentNullException.ThrowIfNull(options);
        (_transport, _options) = (transport, options);
        _logger = transport.Loggers.CreateLogger<NotificationSender>();
        (_publisher, _topology) = (transport.Publisher, transport.Topology);
        if (!string.IsNullOrEmpty(options.TransportUrl))
        {
            var address = BrokerAddress.Create(options.TransportUrl, transport.RabbitOptions);
            _topology = new Topology(address.Options, transport.Options.ControlExchange);
            _ownConnection = new BrokerConnection(
                "notify", address, transport.Metrics, transport.Time, transport.Loggers.CreateLogger<BrokerConnection>());
            _publisher = new Publisher(_ownConnection, _topology, transport.Time, transport.Loggers.CreateLogger<Publisher>());
        }

        foreach (var driver in options.Driver.Where(driver => driver is not ("messaging" or "messagingv2" or "log" or "noop")))
        {
            LogUnknownDriver(driver);
        }
    }

    /// <summary>Whether unversioned notifications go anywhere: callers need not build a payload otherwise.</summary>
    public bool SendsUnversioned => HasDriver && _options.NotificationFormat is NotificationFormat.Unversioned or NotificationFormat.Both;

    /// <summary>The same for versioned ones.</summary>
    public bool SendsVersioned => HasDriver && _options.NotificationFormat is NotificationFormat.Versioned or NotificationFormat.Both;

    private bool HasDriver => _options.Driver.Any(driver => driver is "messaging" or "messagingv2" or "log");

    /// <summary>Sends an unversioned notification, unless <c>notification_format</c> leaves these out.</summary>
    /// <param name="context">On whose behalf; only its harmless part is sent.</param>
    /// <param name="publisherId">E.g. <c>compute.host1</c>.</param>
    /// <param name="eventType">E.g. <c>compute.instance.create.end</c>.</param>
    /// <param name="priority"><c>INFO</c>, <c>WARN</c>, <c>ERROR</c> ...</param>
    /// <param name="payload">Any JSON.</param>
    /// <param name="cancellationToken">Ends waiting for the broker.</param>
    public Task SendUnversionedAsync(
        RequestContext context, string publisherId, string eventType, string priority, JToken payload,
        CancellationToken cancellationToken = default) =>
        SendsUnversioned ? SendAsync(_options.Topics, context, publisherId, eventType, priority, payload, cancellationToken) : Task.CompletedTask;

    /// <summary>Sends a versioned notification (payload: a versioned object), unless <c>notification_format</c> leaves these out.</summary>
    public Task SendVersionedAsync(
        RequestContext context, string publisherId, string eventType, string priority, JToken payload,
        CancellationToken cancellationToken = default) =>
        SendsVersioned
            ? SendAsync(_options.VersionedNotificationsTopics, context, publisherId, eventType, priority, payload, cancellationToken)
            : Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_ownConnection is not null)
        {
            await _publisher.DisposeAsync();
            await _ownConnection.DisposeAsync();
        }
    }

    private async Task SendAsync(
        IReadOnlyList<string> topics, RequestContext context, string publisherId, string eventType, string priority, JToken payload,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(priority);
        var message = new JObject
        {
            ["message_id"] = Guid.NewGuid().ToString("D"),
            ["publisher_id"] = publisherId,
            ["event_type"] = eventType,
            ["priority"] = priority.ToUpperInvariant(),
            ["payload"] = payload,
            ["timestamp"] = _transport.Time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture),
        };
        foreach (var driver in _options.Driver)
        {
            if (driver == "log")
            {
                LogNotification(eventType, priority, message);
            }
            else if (driver is "messaging" or "messagingv2")
            {
                foreach (var topic in topics)
                {
                    // Each message has a _unique_id of its own.
                    var body = (JObject)message.DeepClone();
                    body["_unique_id"] = RequestPayload.NewId();
                    RequestPayload.AddContext(body, SafeContext(context, _transport.Time));
                    await PublishAsync($"{topic}.{priority.ToLowerInvariant()}", eventType, body, driver == "messagingv2", cancellationToken);
                }
            }
        }
    }

    private async Task PublishAsync(string routingKey, string eventType, JObject body, bool envelope, CancellationToken cancellationToken)
    {
        // The queue is made by the sender, so that nothing is lost before the first reader comes.
        var outgoing = new Outgoing(
            _topology.ControlExchange, routingKey, envelope ? OsloEnvelope.Wrap(body) : OsloEnvelope.Unwrapped(body), DeclareQueue: true);
        try
        {
            await _publisher.PublishAsync(outgoing, _options.Retry, cancellationToken);
            _transport.Metrics.Notified(eventType, "ok");
        }
        catch (Exception e) when (e is MessageDeliveryException or ObjectDisposedException)
        {
            LogNotSent(eventType, routingKey, e.Message);
            _transport.Metrics.Notified(eventType, "failed");
        }
    }

    /// <summary>The harmless keys; the others have the values of an empty context, as Nova's serializer fills them in.</summary>
    internal static JObject SafeContext(RequestContext context, TimeProvider time)
    {
        var all = context.ToJson();
        var safe = RequestContext.CreateAdmin(time).ToJson();
        safe["is_admin"] = false;
        foreach (var property in all.Properties().Where(property => SafeContextKeys.Contains(property.Name)))
        {
            safe[property.Name] = property.Value;
        }

        if (all["user_identity"] is { } identity)
        {
            safe["user_identity"] = identity; // made of safe keys only
        }

        return safe;
    }

    private void LogNotification(string eventType, string priority, JObject message)
    {
        var level = priority.ToUpperInvariant() switch
        {
            "DEBUG" => LogLevel.Debug,
            "WARN" => LogLevel.Warning,
            "ERROR" => LogLevel.Error,
            "CRITICAL" => LogLevel.Critical,
            _ => LogLevel.Information,
        };
        var logger = _transport.Loggers.CreateLogger($"oslo.messaging.notification.{eventType}");
        logger.Log(level, "{Notification}", OsloJson.Serialize(SecretMask.Apply(message)));
    }

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "[oslo_messaging_notifications] driver '{Driver}' is not supported and sends nothing; use messagingv2, messaging, log or noop")]
    private partial void LogUnknownDriver(string driver);

    [LoggerMessage(Level = LogLevel.Error, Message = "Notification {EventType} was not sent to {RoutingKey}: {Reason}")]
    private partial void LogNotSent(string eventType, string routingKey, string reason);
}
