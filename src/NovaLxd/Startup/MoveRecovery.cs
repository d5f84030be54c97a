using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Logging;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Operations.Move;
using NovaLxd.Outcomes;
using NovaLxd.Resources;

namespace NovaLxd.Startup;

/// <summary>
/// Moves between this host and another in whose midst the service was stopped, and whose instance is the other's by its row, so that <see cref="InitHost"/> does
/// not meet it. (Nova leaves them for good.) What the other host does meanwhile changes the task state first, so that each is taken up by one of the two.
/// </summary>
internal sealed class MoveRecovery(
    ConductorClient conductor, InstanceAllocations allocations, ComputeCasts compute, ConfirmResize confirm, FinishRevertResize finishRevert, ServiceOptions options,
    ILogger<MoveRecovery> logger)
{
    private static readonly string[] Attributes = ["metadata", "system_metadata", "flavor", "old_flavor", "new_flavor", "migration_context", "info_cache"];
    private static readonly string[] Open = ["pre-migrating", "post-migrating", "reverted", "confirming", "confirmed"];

    public async Task RunAsync(RequestContext context, CancellationToken cancellationToken)
    {
        var filters = new JObject { ["host"] = options.Host, ["status"] = new JArray(Open) };
        var moves = (await conductor.GetMigrationsByFiltersAsync(context, filters, cancellationToken))
            .Where(m => m.MigrationType is "resize" or "migration" && HostMoves.IsMove(m) && m.InstanceUuid is not null);

        // Of an instance that has moved often, all but the last are history.
        foreach (var migration in moves.GroupBy(m => m.InstanceUuid).Select(ofOne => ofOne.MaxBy(m => m.Id)!))
        {
            using var scope = logger.BeginScope(new LogSubject(InstanceUuid: Guid.Parse(migration.InstanceUuid!)));
            try
            {
                await RecoverAsync(context, migration, cancellationToken);
            }
            catch (InstanceNotFoundException)
            {
                logger.LogDebug("Migration {Migration} is of an instance that was deleted", migration.Uuid);
            }
            catch (Exception e) when (e is OutcomeException or RemoteFailureException)
            {
                logger.LogError(e, "The move of the instance could not be settled: {Reason}", e.Message);
            }
        }
    }

    private async Task RecoverAsync(RequestContext context, Migration migration, CancellationToken cancellationToken)
    {
        var instance = await conductor.GetInstanceAsync(context, migration.InstanceUuid!, Attributes, cancellationToken);
        if (instance.Host == options.Host)
        {
            return;
        }

        var leaves = migration.SourceCompute == options.Host;
        switch (migration.Status)
        {
            case "pre-migrating" when !leaves && instance.TaskState == TaskState.ResizePrep:
                await TakeBackAsync(context, instance, migration, cancellationToken);
                break;
            case "post-migrating" when leaves && instance.TaskState == TaskState.ResizeMigrated:
                // The message may be on its way: whoever is second finds nothing to do.
                logger.LogInformation("The service was stopped when it handed the instance over to {Host}, which is told now.", instance.Host);
                await compute.FinishResizeAsync(context, instance, migration, null, null, cancellationToken);
                break;
            case "reverted" when leaves && instance.TaskState == TaskState.ResizeReverting:
                logger.LogInformation("The service was stopped while it took the instance back from {Host}; that is finished now.", instance.Host);
                await FinishRevertAsync(context, instance, migration, cancellationToken);
                break;
            case "confirming" or "confirmed" when leaves && instance is { VmState: VmState.Resized, TaskState: null }:
                logger.LogInformation("The service was stopped while it confirmed the move of the instance to {Host}; that is finished now.", instance.Host);
                await confirm.ConfirmAsync(context, instance, migration, cancellationToken);
                break;
        }
    }

    private async Task FinishRevertAsync(RequestContext context, Instance instance, Migration migration, CancellationToken cancellationToken)
    {
        try
        {
            await finishRevert.FinishAsync(context, instance, migration, cancellationToken);
        }
        catch (Exception e) when (e is not (InstanceNotFoundException or UnexpectedTaskStateException) && !cancellationToken.IsCancellationRequested)
        {
            // It is an error by then.
            instance.TaskState = null;
            await conductor.SaveAsync(context, instance, cancellationToken);
            await conductor.CreateAsync(context, InstanceFaults.From(e, instance.Uuid, options.Host), cancellationToken);
        }
    }

    /// <summary>
    /// The service was preparing a move to this host. The instance runs where it is, and its owner finds the reason: (1) the task, which decides who has it
    /// (2) the rest.
    /// </summary>
    private async Task TakeBackAsync(RequestContext context, Instance instance, Migration migration, CancellationToken cancellationToken)
    {
        // (1)
        logger.LogWarning("The service was stopped while it prepared a move of the instance to this host; the move is taken back.");
        ResizeRollback.ForgetResize(instance);
        instance.TaskState = null;
        await conductor.SaveAsync(context, instance, [TaskState.ResizePrep], cancellationToken);

        // (2)
        await conductor.DropMigrationContextAsync(context, instance, cancellationToken);
        await allocations.TakeBackAsync(context, migration, instance, cancellationToken);
        migration.Status = "error";
        await conductor.SaveAsync(context, migration, cancellationToken);
        await conductor.CreateAsync(context, InstanceFaults.From(
            new ResizeException($"the compute service of {options.Host} was stopped meanwhile. It is as it was; try again."), instance.Uuid, options.Host), cancellationToken);
    }
}
