using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;

namespace NovaLxd.Operations.Network;

/// <summary>Gives an instance one address more in a network that it is in (nova/compute/manager.py:add_fixed_ip_to_instance).</summary>
internal sealed class AddFixedIp(ConductorClient conductor, FixedIps addresses, INotifier notifier, TimeProvider time)
    : IOperation<AddFixedIp.Request, None>
{
    internal sealed record Request(Instance Instance, string NetworkId) : IInstanceRequest;

    /// <summary>(1) port and cache; the host knows of no addresses (2) save, which tells when the server was changed.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        await notifier.InstanceAsync(context, instance, InstanceEvent.CreateIp.Start, cancellationToken);

        // (1)
        var networkInfo = await addresses.AddAsync(context, instance, request.NetworkId, cancellationToken);

        // (2)
        instance.SetTime("updated_at", time.GetUtcNow());
        await conductor.SaveAsync(context, instance, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.CreateIp.End with { NetworkInfo = networkInfo }, cancellationToken);
        return default;
    }
}
