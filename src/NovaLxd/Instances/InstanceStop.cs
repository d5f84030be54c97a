using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Instances;

/// <summary>Shuts an instance down whose task_state says powering-off: a stop, and the end of a rebuild of a stopped server.</summary>
internal sealed class InstanceStop(ConductorClient conductor, PowerStates powerStates, InstancePower power, ServiceOptions options, INotifier notifier)
{
    /// <param name="clean">Whether the guest is asked first.</param>
    public async Task StopAsync(RequestContext context, Instance instance, bool clean, CancellationToken cancellationToken)
    {
        var before = await powerStates.GetAsync(instance, cancellationToken);

        // A container that stopped by itself may have had its task state cleared by the sync of power states before we came.
        IReadOnlyList<string?> expected = before is PowerState.NoState or PowerState.Shutdown or PowerState.Crashed
            ? [TaskState.PoweringOff, null]
            : [TaskState.PoweringOff];
        await notifier.InstanceAsync(context, instance, InstanceEvent.PowerOff.Start, cancellationToken);
        await power.OffAsync(instance, clean, cancellationToken);
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.VmState = VmState.Stopped;
        instance.TaskState = null;
        await conductor.SaveAsync(context, instance, expected, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.PowerOff.End, cancellationToken);
    }

    /// <summary>An instance that was stopped before it was made anew: with task and event of its own, as a stop that somebody asked for.</summary>
    public async Task StopAgainAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        const string Event = "compute_stop_instance";
        instance.TaskState = TaskState.PoweringOff;
        instance.Progress = 0;
        await conductor.SaveAsync(context, instance, cancellationToken);
        await conductor.EventStartAsync(context, instance.Uuid, Event, options.Host, cancellationToken);
        try
        {
            await StopAsync(context, instance, clean: false, cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            await conductor.EventFinishAsync(context, instance.Uuid, Event, FaultText.Message(e), FaultText.Details(e), cancellationToken);
            throw;
        }

        await conductor.EventFinishAsync(context, instance.Uuid, Event, null, null, cancellationToken);
    }
}
