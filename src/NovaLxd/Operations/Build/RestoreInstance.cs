using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;

namespace NovaLxd.Operations.Build;

/// <summary>Takes a soft delete back (nova/compute/manager.py:restore_instance): the guest runs again.</summary>
internal sealed class RestoreInstance(ConductorClient conductor, PowerStates powerStates, InstancePower power, InstancePorts ports, INotifier notifier)
    : IOperation<RestoreInstance.Request, None>
{
    internal sealed record Request(Instance Instance) : IInstanceRequest;

    /// <summary>(1) power on (2) save.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        await notifier.InstanceAsync(context, instance, InstanceEvent.Restore.Start, cancellationToken);

        // (1)
        await power.OnAsync(context, instance, await ports.RefreshAsync(context, instance, cancellationToken), cancellationToken);

        // (2)
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.VmState = VmState.Active;
        instance.TaskState = null;
        await conductor.SaveAsync(context, instance, [TaskState.Restoring], cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.Restore.End, cancellationToken);
        return default;
    }
}
