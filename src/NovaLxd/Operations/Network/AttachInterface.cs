using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Network;

/// <summary>
/// Gives an instance that runs, is paused or is stopped one interface more: on a port, on a network, or on a network with an address
/// (nova/compute/manager.py:attach_interface). The answer is the interface, which the API shows to the user.
/// </summary>
internal sealed class AttachInterface(
    ConductorClient conductor, AttachedPorts ports, InstancePlugging plugging, INotifier notifier, ILogger<AttachInterface> logger)
    : IOperation<AttachInterface.Request, Vif>
{
    internal sealed record Request(
        Instance Instance, string? NetworkId = null, string? PortId = null, string? RequestedIp = null, string? Tag = null) : IInstanceRequest;

    /// <summary>(1) port (2) host and guest (3) save. A failure leaves nothing, and the port as it was.</summary>
    public async Task<Vif> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        await notifier.InstanceAsync(context, instance, InstanceEvent.InterfaceAttach.Start, cancellationToken);
        await using var undo = new Undo(logger);

        // (1)
        var vif = await AllocateAsync(context, request, cancellationToken);
        undo.Add($"the allocation of port {vif.Id}", token => ports.DeallocateAsync(context, instance, vif.Id, token));
        try
        {
            // (2)
            await plugging.AttachAsync(context, instance, vif, cancellationToken);
            undo.Add($"the interface of port {vif.Id}", token => plugging.DetachAsync(instance, vif.Id, token));

            // (3)
            await conductor.SaveAsync(context, instance, cancellationToken);
            undo.Keep();
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            await undo.DisposeAsync();
            await notifier.InstanceAsync(context, instance, InstanceEvent.InterfaceAttach.Error(e), cancellationToken);
            throw e is InstanceNotFoundException ? e : Failed(instance, e);
        }

        await notifier.InstanceAsync(context, instance, InstanceEvent.InterfaceAttach.End, cancellationToken);
        logger.LogInformation("Interface {Port} ({Address}) was attached.", vif.Id, vif.Address);
        return vif;
    }

    /// <summary>What the API has a code for goes through; of anything else the user would only learn that it was unexpected.</summary>
    private async Task<Vif> AllocateAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var wanted = NovaObject.Create<NetworkRequest>();
        (wanted.NetworkId, wanted.PortId, wanted.Address, wanted.Tag) = (request.NetworkId, request.PortId, request.RequestedIp, request.Tag);
        try
        {
            return await ports.AllocateAsync(context, request.Instance, wanted, cancellationToken);
        }
        catch (Exception e) when (e is OpenStackException or PortBindingFailedException || e.GetType() == typeof(BuildAbortException))
        {
            throw Failed(request.Instance, e);
        }
    }

    private static InterfaceAttachFailedException Failed(Instance instance, Exception e) =>
        new($"Failed to attach network adapter device to {instance.Uuid}: {FaultText.Message(e)}", e);
}
