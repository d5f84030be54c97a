using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Operations.Move;
using NovaLxd.Outcomes;

namespace NovaLxd.Startup;

/// <summary>
/// Settles a resize on this host in whose midst the service was stopped. Before the new size is all there it is taken back, with a fault that says so; from then
/// on it is finished, as are a confirmation and a revert that were begun. (Nova goes on with the first two of its task states and leaves the others for good.)
/// The message of the next step may still be in the queue: when it comes, it finds its step done and is left out.
/// </summary>
internal sealed class ResizeRecovery(
    ConductorClient conductor, ResizeRollback rollback, HostMoves moves, ComputeCasts compute, FinishResize finish, ConfirmResize confirm, RevertResize revert,
    FinishRevertResize finishRevert, ServiceOptions options, ILogger<ResizeRecovery> logger)
{
    private static readonly string[] Attributes = ["flavor", "old_flavor", "new_flavor", "system_metadata", "migration_context", "info_cache"];
    private static readonly string[] Unfinished = ["accepted", "pre-migrating", "migrating", "post-migrating"];
    private static readonly string[] Confirmed = ["confirming", "confirmed"];

    public async Task RecoverAsync(RequestContext context, Instance instance, RecoveryStep step, CancellationToken cancellationToken)
    {
        foreach (var attribute in Attributes)
        {
            instance.Unset(attribute);
        }

        await conductor.LoadAttributesAsync(context, instance, Attributes, cancellationToken);
        switch (step)
        {
            case RecoveryStep.RollBackResize:
                await RollBackAsync(context, instance, cancellationToken);
                break;
            case RecoveryStep.FinishResize:
                logger.LogInformation("The service was stopped while it resized the instance; the resize is finished now.");
                await FinishAsync(context, instance, await GetAsync(context, instance, cancellationToken), cancellationToken);
                break;
            case RecoveryStep.FinishRevert:
                await RevertAsync(context, instance, await GetAsync(context, instance, cancellationToken), cancellationToken);
                break;
            case RecoveryStep.FinishConfirm:
                await ConfirmAsync(context, instance, cancellationToken);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(step), step, "Not a step of a resize.");
        }
    }

    /// <summary>An instance whose delete was interrupted may have been in the midst of a resize: what its migrations hold goes with it.</summary>
    public async Task AbandonAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        foreach (var migration in await FindAsync(context, instance, Unfinished, cancellationToken))
        {
            await rollback.AbandonAsync(context, migration, cancellationToken);
        }
    }

    private async Task RollBackAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        logger.LogWarning("The service was stopped while it resized the instance; the resize is taken back.");
        var migration = await FindFirstAsync(context, instance, Unfinished, cancellationToken);
        if (migration is not null && HostMoves.IsMove(migration) && migration.DestHost is not null)
        {
            await moves.AbandonAsync(instance, migration);
        }

        await rollback.RunAsync(context, instance, migration, cancellationToken);
        await ForgetTaskAsync(context, instance, cancellationToken);
        if (migration is not null)
        {
            migration.Status = "error";
            await conductor.SaveAsync(context, migration, cancellationToken);
        }

        await TellAsync(context, instance, new ResizeException("the compute service was stopped meanwhile. It is as it was; resize it again."), cancellationToken);
    }

    /// <summary>One that cannot be finished has been taken back by then, or handed back to where it came from, which writes its state.</summary>
    private async Task FinishAsync(RequestContext context, Instance instance, Migration migration, CancellationToken cancellationToken)
    {
        try
        {
            await finish.FinishAsync(context, instance, migration, starting: true, cancellationToken);
        }
        catch (Exception e) when (e is not (InstanceNotFoundException or UnexpectedTaskStateException) && !cancellationToken.IsCancellationRequested)
        {
            logger.LogError(e, "The resize could not be finished: {Reason}", e.Message);
            if (e is not HandedBackException)
            {
                await ForgetTaskAsync(context, instance, cancellationToken);
            }

            migration.Status = "error";
            await conductor.SaveAsync(context, migration, cancellationToken);
            await TellAsync(context, instance, e, cancellationToken);
        }
    }

    private async Task RevertAsync(RequestContext context, Instance instance, Migration migration, CancellationToken cancellationToken)
    {
        logger.LogInformation("The service was stopped while it reverted the resize of the instance; that is finished now.");
        if (HostMoves.IsMove(migration) && migration.SourceCompute == options.Host)
        {
            await finishRevert.FinishAsync(context, instance, migration, cancellationToken);
            return;
        }

        try
        {
            await revert.ReleaseAsync(context, instance, migration, cancellationToken);
        }
        catch (ResizeException e)
        {
            // It goes on waiting with its new flavor.
            await ForgetTaskAsync(context, instance, cancellationToken);
            await TellAsync(context, instance, e, cancellationToken);
            return;
        }

        if (HostMoves.IsMove(migration))
        {
            // Where it came from it may have begun already; then nothing comes of this.
            await compute.FinishRevertResizeAsync(context, instance, migration, null, cancellationToken);
            return;
        }

        await finishRevert.FinishAsync(context, instance, migration, cancellationToken);
    }

    /// <summary>An instance that waits to be confirmed has a migration that is finished; otherwise somebody had begun to confirm it.</summary>
    private async Task ConfirmAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        if ((await FindAsync(context, instance, ["finished"], cancellationToken)).Count > 0
            || await FindFirstAsync(context, instance, Confirmed, cancellationToken) is not { } migration || HostMoves.IsMove(migration))
        {
            return;
        }

        logger.LogInformation("The service was stopped while it confirmed the resize of the instance; that is finished now.");
        await confirm.ConfirmAsync(context, instance, migration, cancellationToken);
    }

    /// <summary>The instance's own migration, by its context; without one (it goes early in the end of a revert) the newest.</summary>
    private async Task<Migration> GetAsync(RequestContext context, Instance instance, CancellationToken cancellationToken) =>
        instance.IsSet("migration_context") && instance.MigrationContext is { } moved
            ? await conductor.GetMigrationAsync(context, moved.MigrationId, cancellationToken)
            : await FindFirstAsync(context, instance, null, cancellationToken)
                ?? throw new ResizeException("there is no record of its migration");

    /// <summary>Resizes of the instance on this host, newest first.</summary>
    private async Task<IReadOnlyList<Migration>> FindAsync(
        RequestContext context, Instance instance, IReadOnlyList<string>? statuses, CancellationToken cancellationToken)
    {
        var filters = new JObject { ["instance_uuid"] = instance.Uuid };
        if (statuses is not null)
        {
            filters["status"] = new JArray(statuses);
        }

        return [.. (await conductor.GetMigrationsByFiltersAsync(context, filters, cancellationToken))
            .Where(m => m.MigrationType is "resize" or "migration" && (m.SourceCompute == options.Host || m.DestCompute == options.Host)).OrderByDescending(m => m.Id)];
    }

    private async Task<Migration?> FindFirstAsync(
        RequestContext context, Instance instance, IReadOnlyList<string>? statuses, CancellationToken cancellationToken) =>
        await FindAsync(context, instance, statuses, cancellationToken) is [var newest, ..] ? newest : null;

    private Task ForgetTaskAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        instance.TaskState = null;
        return conductor.SaveAsync(context, instance, cancellationToken);
    }

    private Task TellAsync(RequestContext context, Instance instance, Exception why, CancellationToken cancellationToken) =>
        conductor.CreateAsync(context, InstanceFaults.From(why, instance.Uuid, options.Host), cancellationToken);
}
