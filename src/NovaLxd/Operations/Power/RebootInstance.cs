using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Power;

/// <summary>
/// Reboots an instance: SOFT asks init, and the driver kills a guest that does not go in time and launches it again; HARD stops the container, plugs its
/// ports anew and starts it (nova/compute/manager.py:reboot_instance). A guest that does not run is rebooted the hard way.
/// </summary>
internal sealed class RebootInstance(
    ConductorClient conductor, IContainerDriver driver, PowerStates powerStates, InstancePower power, InstancePorts ports, ServiceHost host, INotifier notifier,
    ILogger<RebootInstance> logger) : IOperation<RebootInstance.Request, None>
{
    internal sealed record Request(Instance Instance, string RebootType = "SOFT") : IInstanceRequest;

    private sealed record Steps(string Pending, string Started, IReadOnlyList<string?> Expected)
    {
        public static Steps Soft { get; } =
            new(TaskState.RebootPending, TaskState.RebootStarted, [TaskState.Rebooting, TaskState.RebootPending, TaskState.RebootStarted]);

        public static Steps Hard { get; } = new(
            TaskState.RebootPendingHard, TaskState.RebootStartedHard,
            [TaskState.RebootingHard, TaskState.RebootPendingHard, TaskState.RebootStartedHard]);
    }

    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        var soft = request.RebootType == "SOFT";
        var steps = soft ? Steps.Soft : Steps.Hard;
        var vmState = instance.VmState == VmState.Rescued ? VmState.Rescued : VmState.Active;

        await notifier.InstanceAsync(context, instance, InstanceEvent.Reboot.Start, cancellationToken);
        var networkInfo = await ports.RefreshAsync(context, instance, cancellationToken);
        instance.TaskState = steps.Pending;
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        await conductor.SaveAsync(context, instance, steps.Expected, cancellationToken);
        instance.TaskState = steps.Started;
        await conductor.SaveAsync(context, instance, [steps.Pending], cancellationToken);
        try
        {
            await RebootAsync(context, instance, networkInfo, soft, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            await HandleFailureAsync(context, instance, e, cancellationToken);
        }

        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.VmState = vmState;
        instance.TaskState = null;
        await conductor.SaveAsync(context, instance, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.Reboot.End, cancellationToken);
        return default;
    }

    private async Task RebootAsync(RequestContext context, Instance instance, NetworkInfo networkInfo, bool soft, CancellationToken cancellationToken)
    {
        var id = Guid.Parse(instance.Uuid);
        if (soft && await driver.FindAsync(id, cancellationToken) is { State: ContainerState.Running })
        {
            if (!await driver.RebootAsync(id, power.Grace(instance), cancellationToken))
            {
                logger.LogWarning("The guest did not reboot within {Grace}; it was killed and started again.", power.Grace(instance));
            }

            return;
        }

        await power.OffAsync(instance, clean: false, cancellationToken);
        await power.OnAsync(context, instance, networkInfo, cancellationToken);
    }

    /// <summary>A guest that runs all the same is left running, with a fault for its owner; otherwise the instance is in error.</summary>
    private async Task HandleFailureAsync(RequestContext context, Instance instance, Exception failure, CancellationToken cancellationToken)
    {
        await notifier.InstanceAsync(context, instance, InstanceEvent.Reboot.Error(failure), cancellationToken);
        if (await powerStates.GetAsync(instance, cancellationToken) != PowerState.Running)
        {
            instance.VmState = VmState.Error;
            await conductor.SaveAsync(context, instance, cancellationToken);
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }

        logger.LogError(failure, "Rebooting failed; the guest runs all the same.");
        await conductor.CreateAsync(context, InstanceFaults.From(failure, instance.Uuid, host.Name), cancellationToken);
    }
}
