using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;

namespace NovaLxd.Operations.Network;

/// <summary>Takes an address from a port of an instance (nova/compute/manager.py:remove_fixed_ip_from_instance).</summary>
internal sealed class RemoveFixedIp(ConductorClient conductor, FixedIps addresses, INotifier notifier, TimeProvider time)
    : IOperation<RemoveFixedIp.Request, None>
{
    internal sealed record Request(Instance Instance, string Address) : IInstanceRequest;

    /// <summary>(1) port and cache; the host knows of no addresses (2) save, which tells when the server was changed.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        await notifier.InstanceAsync(context, instance, InstanceEvent.DeleteIp.Start, cancellationToken);

        // (1)
        var networkInfo = await addresses.RemoveAsync(context, instance, request.Address, cancellationToken);

        // (2)
        instance.SetTime("updated_at", time.GetUtcNow());
        await conductor.SaveAsync(context, instance, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.DeleteIp.End with { NetworkInfo = networkInfo }, cancellationToken);
        return default;
    }
}
