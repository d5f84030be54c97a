using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Power;

/// <summary>Shuts an instance down (nova/compute/manager.py:stop_instance).</summary>
internal sealed class StopInstance(ConductorClient conductor, PowerStates powerStates, InstancePower power, INotifier notifier)
    : IOperation<StopInstance.Request, None>
{
    internal sealed record Request(Instance Instance, bool CleanShutdown = true) : IInstanceRequest;

    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        var before = await powerStates.GetAsync(instance, cancellationToken);

        // A container that stopped by itself may have had its task state cleared by the sync of power states before we came.
        IReadOnlyList<string?> expected = before is PowerState.NoState or PowerState.Shutdown or PowerState.Crashed
            ? [TaskState.PoweringOff, null]
            : [TaskState.PoweringOff];
        await notifier.InstanceAsync(context, instance, InstanceEvent.PowerOff.Start, cancellationToken);
        await power.OffAsync(instance, request.CleanShutdown, cancellationToken);
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.VmState = VmState.Stopped;
        instance.TaskState = null;
        await conductor.SaveAsync(context, instance, expected, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.PowerOff.End, cancellationToken);
        return default;
    }
}
