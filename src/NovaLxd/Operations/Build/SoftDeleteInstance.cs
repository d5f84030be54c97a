using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Notifications;
using NovaLxd.Objects;

namespace NovaLxd.Operations.Build;

/// <summary>
/// A delete while <c>reclaim_instance_interval</c> is set (nova/compute/manager.py:soft_delete_instance): the guest is off and everything else stays, until it is
/// restored, deleted by force, or reclaimed.
/// </summary>
internal sealed class SoftDeleteInstance(ConductorClient conductor, PowerStates powerStates, InstancePower power, INotifier notifier)
    : IOperation<SoftDeleteInstance.Request, None>
{
    internal sealed record Request(Instance Instance) : IInstanceRequest;

    /// <summary>(1) power off, at once as Nova does (2) save.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        await notifier.InstanceAsync(context, instance, InstanceEvent.SoftDelete.Start, cancellationToken);
        try
        {
            // (1)
            await power.OffAsync(instance, clean: false, cancellationToken);

            // (2)
            instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
            instance.VmState = VmState.SoftDeleted;
            instance.TaskState = null;
            await conductor.SaveAsync(context, instance, [TaskState.SoftDeleting], cancellationToken);
        }
        finally
        {
            // Nova tells the end of one that failed too.
            await notifier.InstanceAsync(context, instance, InstanceEvent.SoftDelete.End, cancellationToken);
        }

        return default;
    }
}
