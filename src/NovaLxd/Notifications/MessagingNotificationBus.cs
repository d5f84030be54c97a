using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;

namespace NovaLxd.Notifications;

/// <summary>The messaging library's sender.</summary>
internal sealed class MessagingNotificationBus(NotificationSender sender) : INotificationBus
{
    public bool SendsUnversioned => sender.SendsUnversioned;

    public bool SendsVersioned => sender.SendsVersioned;

    public Task SendUnversionedAsync(
        RequestContext context, string publisherId, string eventType, string priority, JToken payload, CancellationToken cancellationToken) =>
        sender.SendUnversionedAsync(context, publisherId, eventType, priority, payload, cancellationToken);

    public Task SendVersionedAsync(
        RequestContext context, string publisherId, string eventType, string priority, JToken payload, CancellationToken cancellationToken) =>
        sender.SendVersionedAsync(context, publisherId, eventType, priority, payload, cancellationToken);
}
