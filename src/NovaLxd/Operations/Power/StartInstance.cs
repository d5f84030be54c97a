using NovaLxd.Conductor;
using NovaLxd.Images;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Power;

/// <summary>Starts a stopped instance, or one that was shelved and is still here (nova/compute/manager.py:start_instance).</summary>
internal sealed class StartInstance(ConductorClient conductor, PowerStates powerStates, InstancePower power, InstancePorts ports, SnapshotImages images, INotifier notifier)
    : IOperation<StartInstance.Request, None>
{
    internal sealed record Request(Instance Instance) : IInstanceRequest;

    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        await notifier.InstanceAsync(context, instance, InstanceEvent.PowerOn.Start, cancellationToken);
        await power.OnAsync(context, instance, await ports.RefreshAsync(context, instance, cancellationToken), cancellationToken);
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.VmState = VmState.Active;
        if (ShelvedKeys.ImageOf(instance) is { } image)
        {
            await images.DeleteShelvedAsync(context, image, cancellationToken);
            ShelvedKeys.Remove(instance);
        }

        instance.TaskState = null;
        await conductor.SaveAsync(context, instance, [TaskState.PoweringOn], cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.PowerOn.End, cancellationToken);
        return default;
    }
}
