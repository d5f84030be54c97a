using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.Outcomes;

namespace NovaLxd.Operations.Network;

/// <summary>Takes an interface from an instance that runs, is paused or is stopped (nova/compute/manager.py:detach_interface).</summary>
internal sealed class DetachInterface(
    ConductorClient conductor, InfoCaches caches, AttachedPorts ports, InstancePlugging plugging, INotifier notifier, ILogger<DetachInterface> logger)
    : IOperation<DetachInterface.Request, None>
{
    internal sealed record Request(Instance Instance, string PortId) : IInstanceRequest;

    /// <summary>
    /// (1) is it there (2) guest and host (3) Neutron, record and cache (4) save. Until (3) is done the port is the instance's, and the request can be repeated.
    /// </summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var (instance, portId) = (request.Instance, request.PortId);

        // (1) By the database: the instance of the message is as old as the request, which may have waited for another of its kind.
        if ((await caches.ReadAsync(context, instance, cancellationToken)).Find(portId) is null)
        {
            throw new PortNotFoundException($"Port {portId} is not attached to instance {instance.Uuid}.");
        }

        await notifier.InstanceAsync(context, instance, InstanceEvent.InterfaceDetach.Start, cancellationToken);
        try
        {
            // (2)
            await plugging.DetachAsync(instance, portId, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw new InterfaceDetachFailedException($"Failed to detach network adapter device from {instance.Uuid}: {FaultText.Message(e)}", e);
        }

        // (3) The guest has lost it; what Neutron keeps the user has to hear of, since it cannot be used elsewhere.
        try
        {
            await ports.DeallocateAsync(context, instance, portId, cancellationToken);
        }
        catch (OpenStackException e)
        {
            throw new InterfaceDetachFailedException(
                $"Port {portId} was taken from the guest of {instance.Uuid}, but Neutron did not release it; try again: {FaultText.Message(e)}", e);
        }

        // (4)
        await conductor.SaveAsync(context, instance, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.InterfaceDetach.End, cancellationToken);
        logger.LogInformation("Interface {Port} was detached.", portId);
        return default;
    }
}
