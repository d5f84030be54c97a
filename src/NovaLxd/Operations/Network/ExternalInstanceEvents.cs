using Microsoft.Extensions.Logging;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Network;

/// <summary>Takes what Neutron and Cinder report about instances here (nova/compute/manager.py:external_instance_event).</summary>
internal sealed class ExternalInstanceEvents(
    InstanceEvents events, InstancePorts ports, InstancePlugging plugging, InstanceLocks locks, ILogger<ExternalInstanceEvents> logger)
    : IOperation<ExternalInstanceEvents.Request, None>
{
    internal sealed record Request(IReadOnlyList<Instance> Instances, IReadOnlyList<InstanceExternalEvent> Events);

    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        foreach (var what in request.Events)
        {
            var instance = request.Instances.FirstOrDefault(i => i.Uuid == what.InstanceUuid);
            if (instance is null)
            {
                logger.LogWarning("Event {Event} is about instance {Uuid}, which did not come along.", what.Name, what.InstanceUuid);
                continue;
            }

            using var scope = logger.BeginScope(new Logging.LogSubject(InstanceUuid: Guid.Parse(instance.Uuid)));
            try
            {
                await HandleAsync(context, instance, what, cancellationToken);
            }
            catch (Exception e) when (e is InstanceNotFoundException or InstanceInfoCacheNotFoundException)
            {
                logger.LogInformation("Event {Event} came after the instance was deleted.", what.Name);
            }
            catch (Exception e) when (e is OutcomeException or OpenStack.OpenStackException or VirtException or TimeoutException)
            {
                // The others of the message are not to suffer; what was missed here the healing of the cache finds.
                logger.LogError(e, "Event {Event} could not be handled: {Reason}", what.Name, e.Message);
            }
        }

        return default;
    }

    private async Task HandleAsync(RequestContext context, Instance instance, InstanceExternalEvent what, CancellationToken cancellationToken)
    {
        switch (what.Name)
        {
            case "network-changed":
                await ports.RefreshPortAsync(context, instance, what.Tag, cancellationToken);
                break;
            case "network-vif-deleted":
                await PortDeletedAsync(context, instance, what.Tag, cancellationToken);
                break;
            case "power-update" or "volume-extended":
                logger.LogInformation("Event {Event} does not apply to this host and is ignored.", what.Name);
                break;
            default:
                Resolve(instance, what);
                break;
        }
    }

    private void Resolve(Instance instance, InstanceExternalEvent what)
    {
        if (events.Resolve(Guid.Parse(instance.Uuid), new ExternalEvent(what.Name, what.Tag), what.Status))
        {
            return;
        }

        var expected = what.Name == "network-vif-unplugged" && instance.TaskState is TaskState.Deleting or TaskState.Migrating;
        logger.Log(
            expected ? LogLevel.Debug : LogLevel.Information,
            "Nobody waits for event {Event} of {Tag} (vm_state {VmState}, task_state {TaskState}).", what.Name, what.Tag, instance.VmState, instance.TaskState);
    }

    /// <summary>The port was deleted in Neutron while the instance had it: it leaves the cache and the guest. After our own detach there is nothing left to do.</summary>
    private async Task PortDeletedAsync(RequestContext context, Instance instance, string? portId, CancellationToken cancellationToken)
    {
        if (!Guid.TryParse(portId, out _))
        {
            logger.LogWarning("Event network-vif-deleted names no port: {Tag}", portId);
            return;
        }

        using var held = await locks.AcquireAsync(instance.Uuid, cancellationToken);
        await ports.ForgetPortAsync(context, instance, portId, cancellationToken);
        await plugging.DetachAsync(instance, portId, cancellationToken);
    }
}
