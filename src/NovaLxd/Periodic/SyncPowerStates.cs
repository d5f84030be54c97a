using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Logging;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Operations.Power;
using NovaLxd.Outcomes;
using NovaLxd.Virt;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Periodic;

/// <summary>
/// Compares what the database says of a guest with what it is, and follows the guest or brings it back (nova/compute/manager.py:_sync_power_states,
/// _sync_instance_power_state). An instance that something is being done to is left alone.
/// </summary>
internal sealed class SyncPowerStates(
    ConductorClient conductor, PowerStates powerStates, InstanceLocks locks, InstancePower power, StopInstance stop, ServiceOptions options,
    ILogger<SyncPowerStates> logger)
{
    private static readonly string[] Attributes = ["info_cache", "system_metadata", "flavor", "metadata"];

    /// <summary>An instance that resists does not keep the others; a conductor that does not answer ends the run.</summary>
    public async Task RunAsync(RequestContext context, CancellationToken cancellationToken)
    {
        var instances = await conductor.GetInstancesByHostAsync(context, options.Host, [], cancellationToken);
        foreach (var instance in instances.Where(i => i.TaskState is null))
        {
            try
            {
                await SyncAsync(context, instance.Uuid, cancellationToken);
            }
            catch (Exception e) when (e is OutcomeException or VirtException or RemoteFailureException or KernelException)
            {
                logger.LogWarning("Instance {Uuid} could not be synced and is tried again: {Reason}", instance.Uuid, e.Message);
            }
        }
    }

    /// <summary>One instance, read anew under its lock.</summary>
    public async Task SyncAsync(RequestContext context, string uuid, CancellationToken cancellationToken)
    {
        using var scope = logger.BeginScope(new LogSubject(InstanceUuid: Guid.Parse(uuid)));
        using var held = await locks.AcquireAsync(uuid, cancellationToken);
        try
        {
            var instance = await conductor.GetInstanceAsync(context, uuid, Attributes, cancellationToken);
            if (instance.Host == options.Host && instance.TaskState is null)
            {
                await FollowAsync(context, instance, cancellationToken);
            }
        }
        catch (Exception e) when (e is InstanceNotFoundException or UnexpectedTaskStateException)
        {
            logger.LogDebug("Nothing to sync: {Reason}", e.Message);
        }
    }

    private async Task FollowAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        var now = await powerStates.GetAsync(instance, cancellationToken);
        if (now != instance.PowerState)
        {
            logger.LogInformation(
                "The guest is {Now}, the database says {Then} (vm_state {VmState})", PowerState.Name(now), PowerState.Name(instance.PowerState), instance.VmState);
            instance.PowerState = now;
            await conductor.SaveAsync(context, instance, [null], cancellationToken);
        }

        switch (instance.VmState, now)
        {
            case (VmState.Active, PowerState.Shutdown or PowerState.Crashed):
                logger.LogWarning("The guest stopped by itself; the instance is stopped with it.");
                await StopAsync(context, instance, cancellationToken);
                break;
            case (VmState.Stopped, PowerState.Running or PowerState.Paused):
                logger.LogWarning("The guest runs although the instance is stopped; it is powered off.");
                await power.OffAsync(instance, clean: true, cancellationToken);
                await StopAsync(context, instance, cancellationToken);
                break;
            case (VmState.Paused, PowerState.Shutdown or PowerState.Crashed):
                logger.LogWarning("The paused guest is gone; the instance is stopped.");
                await StopAsync(context, instance, cancellationToken);
                break;
            case (VmState.Active, PowerState.Paused):
                logger.LogWarning("The guest is frozen although the instance is active; it is left so.");
                break;
            case (VmState.Active, PowerState.NoState):
                logger.LogWarning("The instance is active and has no container on this host.");
                break;
            default:
                break;
        }
    }

    /// <summary>As the API's stop does: the action and the task state first, so that the user sees what happened and why.</summary>
    private async Task StopAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        instance.TaskState = TaskState.PoweringOff;
        instance.Progress = 0;
        await conductor.SaveAsync(context, instance, [null], cancellationToken);
        try
        {
            await conductor.ActionStartAsync(context, instance.Uuid, "stop", cancellationToken);
            await stop.RunAsync(context, new(instance), cancellationToken);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // A task that nobody works on would keep its owner, and the next pass, from the instance for ever.
            instance.TaskState = null;
            await conductor.SaveAsync(context, instance, [TaskState.PoweringOff], cancellationToken);
            throw;
        }
    }
}
