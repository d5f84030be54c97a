using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.Virt;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Operations.Move;

/// <summary>
/// The owner wants the old flavor back (nova/compute/manager.py:revert_resize): powers the instance off and gives its container the old size.
/// <para>
/// Files that the guest wrote since the resize stay, which differs from a host with virtual machines: there the disk of before comes back. Files that do not fit
/// into the old root disk are no loss that anybody asked for: the revert is refused with the reason, and the server goes on waiting with its new flavor. A server
/// that came from another host goes back to what it left there, as there with virtual machines.
/// </para>
/// </summary>
internal sealed class RevertResize(
    ConductorClient conductor, IContainerDriver driver, InstancePorts ports, MovePorts movePorts, InstanceSize size, InstancePower power, PowerStates powerStates,
    ResizeRollback rollback, ResourceTracker resources, ComputeCasts compute, InstanceOptions options, INotifier notifier, TimeProvider time, ILogger<RevertResize> logger)
    : IOperation<RevertResize.Request, None>
{
    internal sealed record Request(Instance Instance, Migration Migration, RequestSpec? RequestSpec = null) : IInstanceRequest;

    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var (instance, migration) = (request.Instance, request.Migration);
        if (!await rollback.IsAtAsync(context, instance, migration, TaskState.ResizeReverting, cancellationToken))
        {
            return default;
        }

        await notifier.InstanceAsync(context, instance, InstanceEvent.Exists(AuditPeriod.Current(options.InstanceUsageAuditPeriod, time.GetUtcNow())), cancellationToken);
        await ReleaseAsync(context, instance, migration, cancellationToken);
        await compute.FinishRevertResizeAsync(context, instance, migration, request.RequestSpec, cancellationToken);
        return default;
    }

    /// <summary>(1) ports (2) container (3) usage (4) record (5) what came from another host. Until (4) the way leads back to the new flavor.</summary>
    public async Task ReleaseAsync(RequestContext context, Instance instance, Migration migration, CancellationToken cancellationToken)
    {
        await conductor.LoadAttributesAsync(
            context, instance, ["flavor", "old_flavor", "new_flavor", "system_metadata", "migration_context", "info_cache"], cancellationToken);
        await using var undo = new Undo(logger);
        try
        {
            // (1)
            await movePorts.TearDownAsync(context, instance, left: null, cancellationToken);
            await movePorts.StartAsync(context, instance, migration.SourceCompute!, cancellationToken);
            await ports.RefreshAsync(context, instance, cancellationToken);

            // (2)
            var old = instance.OldFlavor ?? throw new ResizeException("its record lost the old flavor");
            var came = HostMoves.IsMove(migration);
            await (came ? StopAsync(context, instance, undo, cancellationToken) : ShrinkAsync(context, instance, old, undo, cancellationToken));

            // (3)
            migration.Status = "reverted";
            await conductor.SaveAsync(context, migration, cancellationToken);
            await (came ? resources.InstanceDeletedAsync(context, instance, cancellationToken) : resources.DropMoveAsync(context, instance, old, cancellationToken));

            // (4)
            ResourceTracker.ApplyContext(instance, "old_");
            await conductor.SaveAsync(context, instance, [TaskState.ResizeReverting], cancellationToken);
            undo.Keep();

            // (5)
            if (came)
            {
                await RemoveAsync(instance, cancellationToken);
            }
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            // The next start takes the revert up where it is.
            undo.Keep();
            throw;
        }
        catch (Exception e) when (e is InstanceNotFoundException or UnexpectedTaskStateException)
        {
            // Its container goes with it.
            undo.Keep();
            await rollback.AbandonAsync(context, migration, CancellationToken.None);
            throw;
        }
        catch (Exception)
        {
            await undo.DisposeAsync();
            await KeepNewAsync(context, instance, migration);
            throw;
        }
    }

    private async Task ShrinkAsync(RequestContext context, Instance instance, Flavor old, Undo undo, CancellationToken cancellationToken)
    {
        await size.CheckRoomAsync(instance, old, cancellationToken);
        var flavor = instance.Flavor;

        // Its files stay, so it is asked to write them.
        await StopAsync(context, instance, undo, cancellationToken);
        undo.Add("the size of the container", token => size.ApplyAsync(context, instance, flavor, token));
        await size.ApplyAsync(context, instance, old, cancellationToken);
    }

    private async Task StopAsync(RequestContext context, Instance instance, Undo undo, CancellationToken cancellationToken)
    {
        var networkInfo = instance.NetworkInfo;
        if (await powerStates.GetAsync(instance, cancellationToken) == PowerState.Running)
        {
            undo.Add("the stop of the guest", token => power.OnAsync(context, instance, networkInfo, token));
        }

        await power.OffAsync(instance, clean: true, cancellationToken);
    }

    /// <summary>The instance is the source's again by its record; what resists here is off, and taken away later.</summary>
    private async Task RemoveAsync(Instance instance, CancellationToken cancellationToken)
    {
        try
        {
            await driver.DeleteAsync(Guid.Parse(instance.Uuid), cancellationToken);
        }
        catch (Exception e) when (e is VirtException or KernelException or IOException)
        {
            logger.LogWarning("The container cannot be removed now, which is tried again: {Reason}", e.Message);
        }
    }

    /// <summary>
    /// What the mark M would do for others ends here: a migration in error could be neither confirmed nor reverted any more. The task goes last, with the failure.
    /// </summary>
    private async Task KeepNewAsync(RequestContext context, Instance instance, Migration migration)
    {
        logger.LogWarning("The resize was not reverted; the instance keeps its new flavor and can be confirmed or reverted again.");
        migration.Status = "finished";
        await conductor.SaveAsync(context, migration, CancellationToken.None);
        instance.VmState = VmState.Resized;
        instance.PowerState = await powerStates.GetAsync(instance, CancellationToken.None);
        await conductor.SaveAsync(context, instance, [TaskState.ResizeReverting], CancellationToken.None);
        await resources.InstanceChangedAsync(context, instance, CancellationToken.None);
    }
}
