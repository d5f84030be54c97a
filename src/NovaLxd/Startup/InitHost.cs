using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Logging;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.Operations.Build;
using NovaLxd.Operations.Power;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Startup;

/// <summary>
/// Brings the instances of this host, as the database has them, and its containers together again after the service, or the host, was down
/// (nova/compute/manager.py:init_host). One instance that resists does not keep the others.
/// </summary>
internal sealed class InitHost(
    ConductorClient conductor,
    IContainerDriver driver,
    PowerStates powerStates,
    InstanceTeardown teardown,
    InstancePower power,
    InstancePlugging plugging,
    StopInstance stop,
    StartInstance start,
    RebootInstance reboot,
    PauseInstance pause,
    UnpauseInstance unpause,
    SoftDeleteInstance softDelete,
    RestoreInstance restore,
    UnrescueInstance unrescue,
    InstanceRescue rescue,
    ResizeRecovery resizes,
    ShelveRecovery shelved,
    EvacuationRecovery evacuations,
    InstanceOptions instanceOptions,
    ServiceOptions options,
    ILogger<InitHost> logger)
{
    /// <summary>What Nova loads at start, and what the steps need besides.</summary>
    private static readonly string[] Attributes = ["info_cache", "metadata", "system_metadata", "numa_topology", "flavor"];

    /// <exception cref="TimeoutException">The conductor does not answer. All of it may be repeated.</exception>
    public async Task RunAsync(RequestContext context, CancellationToken cancellationToken)
    {
        var departed = await evacuations.RemoveDepartedAsync(context, cancellationToken);
        await evacuations.SettleArrivalsAsync(context, cancellationToken);
        var instances = await conductor.GetInstancesByHostAsync(context, options.Host, Attributes, cancellationToken);
        foreach (var instance in instances.Where(i => !departed.Contains(i.Uuid)))
        {
            using var scope = logger.BeginScope(new LogSubject(InstanceUuid: Guid.Parse(instance.Uuid)));
            try
            {
                await RecoverAsync(context, instance, cancellationToken);
            }
#pragma warning disable CA1031 // One instance must not keep the others; what it was is told to its user.
            catch (Exception e) when (e is not (TimeoutException or OperationCanceledException))
#pragma warning restore CA1031
            {
                logger.LogError(e, "The instance could not be recovered: {Reason}", e.Message);
                await SetErrorAsync(context, instance, e, cancellationToken);
            }
        }
    }

    private async Task RecoverAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        var state = await powerStates.GetAsync(instance, cancellationToken);
        var step = RecoveryPlan.For(instance.VmState, instance.TaskState, state);
        logger.LogDebug(
            "Found with vm_state {VmState}, task_state {TaskState}, power_state {PowerState}: {Step}",
            instance.VmState, instance.TaskState, PowerState.Name(state), step);
        switch (step)
        {
            case RecoveryStep.Leave:
                break;
            case RecoveryStep.CompleteDelete:
                await driver.DeleteAsync(Guid.Parse(instance.Uuid), cancellationToken);
                await teardown.CompleteAsync(context, instance, cancellationToken);
                break;
            case RecoveryStep.Delete:
                logger.LogInformation("The service was stopped while it deleted the instance; the delete is finished now.");
                await resizes.AbandonAsync(context, instance, cancellationToken);
                await teardown.DeleteAsync(context, instance, cancellationToken);
                break;
            case RecoveryStep.Error:
                logger.LogWarning("The service was stopped while it built the instance; it is in error now and can be deleted.");
                await SetErrorAsync(context, instance, new BuildAbortException(
                    "The build was interrupted by a stop of the compute service: delete the server and create it again.", 500), cancellationToken);
                break;
            case RecoveryStep.RebuildError:
                logger.LogWarning("The service was stopped while it rebuilt the instance; it is in error now and can be rebuilt or deleted.");
                await SetErrorAsync(context, instance, new BuildAbortException(
                    "The rebuild was interrupted by a stop of the compute service: rebuild the server again, or delete it.", 500), cancellationToken);
                break;
            case RecoveryStep.ForgetTask:
                instance.TaskState = null;
                await conductor.SaveAsync(context, instance, cancellationToken);
                await RestoreAsync(context, instance, state, cancellationToken);
                break;
            case RecoveryStep.Active:
                instance.TaskState = null;
                instance.VmState = instance.VmState == VmState.Rescued ? VmState.Rescued : VmState.Active;
                await conductor.SaveAsync(context, instance, cancellationToken);
                break;
            case RecoveryStep.RebootSoft:
                await RebootAsync(context, instance, TaskState.RebootPending, "SOFT", cancellationToken);
                break;
            case RecoveryStep.RebootHard:
                await RebootAsync(context, instance, TaskState.RebootPendingHard, "HARD", cancellationToken);
                break;
            case RecoveryStep.Pause:
                await pause.RunAsync(context, new(instance), cancellationToken);
                break;
            case RecoveryStep.Unpause:
                await unpause.RunAsync(context, new(instance), cancellationToken);
                break;
            case RecoveryStep.Stop:
                await stop.RunAsync(context, new(instance), cancellationToken);
                break;
            case RecoveryStep.TakeBackRescue:
                await rescue.TakeBackAsync(context, instance, cancellationToken);
                break;
            case RecoveryStep.Unrescue:
                await unrescue.RunAsync(context, new(instance), cancellationToken);
                break;
            case RecoveryStep.Start:
                await start.RunAsync(context, new(instance), cancellationToken);
                break;
            case RecoveryStep.SoftDelete:
                await softDelete.RunAsync(context, new(instance), cancellationToken);
                break;
            case RecoveryStep.RestoreDeleted:
                await restore.RunAsync(context, new(instance), cancellationToken);
                break;
            case RecoveryStep.RollBackResize or RecoveryStep.FinishResize or RecoveryStep.FinishRevert:
                await resizes.RecoverAsync(context, instance, step, cancellationToken);
                break;
            case RecoveryStep.FinishConfirm:
                await resizes.RecoverAsync(context, instance, step, cancellationToken);
                await RestoreAsync(context, instance, state, cancellationToken);
                break;
            case RecoveryStep.TakeBackShelve or RecoveryStep.Offload or RecoveryStep.CompleteOffload or RecoveryStep.TakeBackUnshelve:
                await shelved.RunAsync(step, context, instance, state, cancellationToken);
                break;
            default:
                await RestoreAsync(context, instance, state, cancellationToken);
                break;
        }
    }

    /// <summary>The reboot's first save expects the state that its kind begins with.</summary>
    private async Task RebootAsync(RequestContext context, Instance instance, string pending, string type, CancellationToken cancellationToken)
    {
        instance.TaskState = pending;
        await conductor.SaveAsync(context, instance, cancellationToken);
        await reboot.RunAsync(context, new(instance, RebootType: type), cancellationToken);
    }

    private async Task RestoreAsync(RequestContext context, Instance instance, int state, CancellationToken cancellationToken)
    {
        if (state is PowerState.Running or PowerState.Paused)
        {
            // Idempotent: gives the guest what it lacks (an interface that was being attached when the service ended) and takes nothing away.
            await plugging.PlugWithoutWaitingAsync(context, instance, instance.NetworkInfo, cancellationToken);
        }
        else if (instance.PowerState == PowerState.Running && instanceOptions.ResumeGuestsStateOnHostBoot && state != PowerState.NoState)
        {
            logger.LogInformation("The instance ran before the host went down and is started again.");
            await power.OnAsync(context, instance, instance.NetworkInfo, cancellationToken);
        }
    }

    private async Task SetErrorAsync(RequestContext context, Instance instance, Exception why, CancellationToken cancellationToken)
    {
        try
        {
            instance.VmState = VmState.Error;
            instance.TaskState = null;
            await conductor.SaveAsync(context, instance, cancellationToken);
            await conductor.CreateAsync(context, InstanceFaults.From(why, instance.Uuid, options.Host), cancellationToken);
        }
        catch (InstanceNotFoundException)
        {
            logger.LogInformation("The instance was deleted meanwhile.");
        }
        catch (Exception e) when (e is OutcomeException or RemoteFailureException)
        {
            logger.LogError(e, "The instance could not be set to error: {Reason}", e.Message);
        }
    }
}
