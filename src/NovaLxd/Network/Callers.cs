using NovaLxd.Messaging;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.Authentication;

namespace NovaLxd.Network;

/// <summary>For whom REST calls are made, from the context a message came with.</summary>
internal static class Callers
{
    /// <summary>The user's token; a context of our own (periodic tasks, start) has none and uses the service's.</summary>
    public static OpenStackCaller User(RequestContext context)
    {
        var catalog = context.ServiceCatalog;
        return new OpenStackCaller(
            context.AuthToken,
            context.RequestId ?? $"req-{Guid.NewGuid()}",
            context.GlobalRequestId,
            catalog.Count > 0 ? ServiceCatalog.Parse(catalog) : null,
            context.IsAdmin);
    }

    /// <summary>The service's own credentials, under the same request id.</summary>
    public static OpenStackCaller Service(RequestContext context) => User(context).WithServiceCredentials();
}
