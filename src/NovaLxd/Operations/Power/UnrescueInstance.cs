using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;

namespace NovaLxd.Operations.Power;

/// <summary>
/// <c>openstack server unrescue</c>: the instance boots its own root again, and the rescue system is thrown away (nova/compute/manager.py:unrescue_instance).
/// May be done again from the start when it was interrupted.
/// </summary>
internal sealed class UnrescueInstance(
    ConductorClient conductor, PowerStates powerStates, InstancePower power, InstanceRescue rescue, InstancePorts ports, INotifier notifier)
    : IOperation<UnrescueInstance.Request, None>
{
    internal sealed record Request(Instance Instance) : IInstanceRequest;

    /// <summary>(1) rescue system off and gone (2) guest on (3) save. What fails leaves the instance in error.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        context = context.Elevated();
        var networkInfo = await ports.RefreshAsync(context, instance, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.Unrescue.Start with { NetworkInfo = networkInfo }, cancellationToken);
        try
        {
            // (1)
            await rescue.EndAsync(instance, cancellationToken);

            // (2)
            await power.OnAsync(context, instance, networkInfo, cancellationToken);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            instance.VmState = VmState.Error;
            await conductor.SaveAsync(context, instance, cancellationToken);
            throw;
        }

        // (3)
        instance.VmState = VmState.Active;
        instance.TaskState = null;
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        await conductor.SaveAsync(context, instance, [TaskState.Unrescuing], cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.Unrescue.End with { NetworkInfo = networkInfo }, cancellationToken);
        return default;
    }
}
