using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Power;

/// <summary><c>openstack server unpause</c>: the guest goes on where it was frozen.</summary>
internal sealed class UnpauseInstance(IContainerDriver driver, PowerStates powerStates, ConductorClient conductor, INotifier notifier)
    : IOperation<UnpauseInstance.Request, None>
{
    internal sealed record Request(Instance Instance) : IInstanceRequest;

    /// <summary>(1) thaw (2) save, unless the instance has been moved on meanwhile.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        context = context.Elevated();
        await notifier.InstanceAsync(context, instance, InstanceEvent.Unpause.Start, cancellationToken);

        // (1)
        await driver.UnfreezeAsync(Guid.Parse(instance.Uuid), cancellationToken);

        // (2)
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.VmState = VmState.Active;
        instance.TaskState = null;
        await conductor.SaveAsync(context, instance, [TaskState.Unpausing], cancellationToken);

        await notifier.InstanceAsync(context, instance, InstanceEvent.Unpause.End, cancellationToken);
        return default;
    }
}
