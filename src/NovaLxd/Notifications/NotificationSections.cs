using NovaLxd.Configuration;
using NovaLxd.Messaging;

namespace NovaLxd.Notifications;

/// <summary>[oslo_messaging_notifications]: how notifications leave.</summary>
internal sealed record OsloNotificationSection
{
    /// <summary>messagingv2, messaging, log or noop; none: no notifications.</summary>
    [MultiValued]
    public IReadOnlyList<string> Driver { get; init; } = [];

    /// <summary>Broker for notifications; default: the one of RPC.</summary>
    [Option(Secret = true)]
    public string? TransportUrl { get; init; }

    /// <summary>Topics of unversioned notifications.</summary>
    public IReadOnlyList<string> Topics { get; init; } = ["notifications"];

    /// <summary>How often sending is tried again; -1: for ever.</summary>
    public int Retry { get; init; } = -1;
}

/// <summary>[notifications]: what Nova tells.</summary>
internal sealed record NotificationsSection
{
    /// <summary>Which form notifications have.</summary>
    public NotificationFormat NotificationFormat { get; init; } = NotificationFormat.Unversioned;

    /// <summary>Topics of versioned notifications.</summary>
    public IReadOnlyList<string> VersionedNotificationsTopics { get; init; } = ["versioned_notifications"];

    /// <summary>Whether versioned notifications list the block devices.</summary>
    public bool BdmsInNotifications { get; init; }

    public NotificationOptions With(OsloNotificationSection transport) => new()
    {
        Driver = transport.Driver,
        TransportUrl = transport.TransportUrl,
        Topics = transport.Topics,
        Retry = transport.Retry,
        NotificationFormat = NotificationFormat,
        VersionedNotificationsTopics = VersionedNotificationsTopics,
    };
}
