namespace NovaLxd.Messaging;

/// <summary>The options of <c>[DEFAULT]</c> that concern messaging, named as in oslo.messaging. Times are seconds.</summary>
public sealed record MessagingOptions
{
    /// <summary>Brokers and credentials, see <see cref="Messaging.TransportUrl"/>.</summary>
    public string TransportUrl { get; init; } = "rabbit://";

    /// <summary>The topic exchange of the cell.</summary>
    public string ControlExchange { get; init; } = "nova";

    /// <summary>How long a call waits for its reply when it names no other time.</summary>
    public int RpcResponseTimeout { get; init; } = 60;

    /// <summary>Handlers that run at the same time, per topic.</summary>
    public int ExecutorThreadPoolSize { get; init; } = 64;

    /// <summary>Whether <c>oslo_rpc_server_ping</c> is answered.</summary>
    public bool RpcPingEnabled { get; init; }

    /// <summary>Everything that is wrong, one sentence each; empty when the options can be used.</summary>
    public IReadOnlyList<string> Problems()
    {
        List<string> problems = [];
        try
        {
            _ = Messaging.TransportUrl.Parse(TransportUrl);
        }
        catch (TransportUrlException e)
        {
            problems.Add(e.Message);
        }

        if (ControlExchange.Length == 0)
        {
            problems.Add("control_exchange must not be empty");
        }

        if (RpcResponseTimeout < 1)
        {
            problems.Add("rpc_response_timeout must be at least 1");
        }

        if (ExecutorThreadPoolSize < 1)
        {
            problems.Add("executor_thread_pool_size must be at least 1");
        }

        return problems;
    }
}

/// <summary>Which of Nova's two kinds of notifications are sent; <c>[notifications]/notification_format</c>.</summary>
public enum NotificationFormat
{
    Unversioned,
    Versioned,
    Both,
}

/// <summary><c>[oslo_messaging_notifications]</c>, and from <c>[notifications]</c> the format and the topics of versioned notifications.</summary>
public sealed record NotificationOptions
{
    /// <summary><c>messagingv2</c>, <c>messaging</c>, <c>log</c>, <c>noop</c>; none: nothing is sent.</summary>
    public IReadOnlyList<string> Driver { get; init; } = [];

    /// <summary>Brokers of the notifications; null: those of the RPC.</summary>
    public string? TransportUrl { get; init; }

    /// <summary>Topics of the unversioned notifications.</summary>
    public IReadOnlyList<string> Topics { get; init; } = ["notifications"];

    /// <summary>How often a failed sending is tried again: 0 never, -1 for ever.</summary>
    public int Retry { get; init; } = -1;

    /// <summary><c>[notifications]/notification_format</c>.</summary>
    public NotificationFormat NotificationFormat { get; init; } = NotificationFormat.Unversioned;

    /// <summary><c>[notifications]/versioned_notifications_topics</c>.</summary>
    public IReadOnlyList<string> VersionedNotificationsTopics { get; init; } = ["versioned_notifications"];
}
