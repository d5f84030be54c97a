using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Power;

/// <summary><c>openstack server pause</c>: every process of the guest is frozen where it stands.</summary>
internal sealed class PauseInstance(IContainerDriver driver, PowerStates powerStates, ConductorClient conductor, INotifier notifier)
    : IOperation<PauseInstance.Request, None>
{
    internal sealed record Request(Instance Instance) : IInstanceRequest;

    /// <summary>(1) freeze (2) save, unless the instance has been moved on meanwhile.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        context = context.Elevated();
        await notifier.InstanceAsync(context, instance, InstanceEvent.Pause.Start, cancellationToken);

        // (1)
        await driver.FreezeAsync(Guid.Parse(instance.Uuid), cancellationToken);

        // (2)
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.VmState = VmState.Paused;
        instance.TaskState = null;
        await conductor.SaveAsync(context, instance, [TaskState.Pausing], cancellationToken);

        await notifier.InstanceAsync(context, instance, InstanceEvent.Pause.End, cancellationToken);
        return default;
    }
}
