using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;

namespace NovaLxd.Operations.Build;

/// <summary>Takes a soft delete back (nova/compute/manager.py:restore_instance): the guest runs again.</summary>
internal sealed class RestoreInstance(
    ConductorClient conductor, PowerStates powerStates, InstancePower power, InstancePorts ports, INotifier notifier, TimeProvider time)
    : IOperation<RestoreInstance.Request, None>
{
    internal sealed record Request(Instance Instance) : IInstanceRequest;

    /// <summary>(1) power on (2) save.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        await notifier.InstanceAsync(context, instance, InstanceEvent.Restore.Start, cancellationToken);
        try
        {
            // (1)
            await power.OnAsync(context, instance, await ports.RefreshAsync(context, instance, cancellationToken), cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The API has taken the time of the delete away, and one without it is reclaimed at once: its owner is to have time to try again. The runner saves
            // it together with the end of the task.
            instance.SetTime("deleted_at", time.GetUtcNow());
            throw;
        }

        // (2)
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.VmState = VmState.Active;
        instance.TaskState = null;
        await conductor.SaveAsync(context, instance, [TaskState.Restoring], cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.Restore.End, cancellationToken);
        return default;
    }
}
