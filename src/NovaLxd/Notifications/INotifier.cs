using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Objects;

namespace NovaLxd.Notifications;

/// <summary>Tells whoever listens (Ceilometer, a billing system) what happens. Never fails: what could not be sent is logged.</summary>
internal interface INotifier
{
    /// <summary>Something happens to an instance: <c>compute.instance.*</c> and <c>instance.*</c>.</summary>
    Task InstanceAsync(RequestContext context, Instance instance, InstanceEvent what, CancellationToken cancellationToken);

    /// <summary>A method failed: <c>compute.exception</c>, and unversioned under the method's own name.</summary>
    /// <param name="context">Who had asked.</param>
    /// <param name="function">The method's name in Nova.</param>
    /// <param name="failure">What happened.</param>
    /// <param name="args">The arguments; passwords are left out.</param>
    /// <param name="cancellationToken">Ends waiting for the broker.</param>
    Task ExceptionAsync(RequestContext context, string function, Exception failure, JObject args, CancellationToken cancellationToken);
}
