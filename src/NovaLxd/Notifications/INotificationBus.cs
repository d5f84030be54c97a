using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;

namespace NovaLxd.Notifications;

/// <summary>Where notifications go; the messaging library's sender, which minds drivers, topics and <c>notification_format</c>.</summary>
internal interface INotificationBus
{
    bool SendsUnversioned { get; }

    bool SendsVersioned { get; }

    Task SendUnversionedAsync(
        RequestContext context, string publisherId, string eventType, string priority, JToken payload, CancellationToken cancellationToken);

    Task SendVersionedAsync(
        RequestContext context, string publisherId, string eventType, string priority, JToken payload, CancellationToken cancellationToken);
}
