using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Periodic;

/// <summary>Confirms resizes that nobody confirmed or reverted for <c>resize_confirm_window</c> (nova/compute/manager.py:_poll_unconfirmed_resizes).</summary>
internal sealed class ConfirmOldResizes(
    ConductorClient conductor, ComputeCasts compute, InstanceOptions options, ServiceOptions service, ILogger<ConfirmOldResizes> logger)
{
    public async Task RunAsync(RequestContext context, CancellationToken cancellationToken)
    {
        if (options.ResizeConfirmWindow <= TimeSpan.Zero)
        {
            return;
        }

        var window = (int)options.ResizeConfirmWindow.TotalSeconds;
        foreach (var migration in await conductor.GetUnconfirmedMigrationsAsync(context, window, service.Host, cancellationToken))
        {
            using var scope = logger.BeginScope(new Logging.LogSubject(InstanceUuid: Guid.Parse(migration.InstanceUuid!)));
            try
            {
                await ConfirmAsync(context, migration, cancellationToken);
            }
            catch (Exception e) when (e is OutcomeException or RemoteFailureException)
            {
                logger.LogWarning("Migration {Migration} could not be confirmed and is tried again: {Reason}", migration.Uuid, e.Message);
            }
        }
    }

    private async Task ConfirmAsync(RequestContext context, Migration migration, CancellationToken cancellationToken)
    {
        Instance instance;
        try
        {
            instance = await conductor.GetInstanceAsync(context, migration.InstanceUuid!, ["metadata", "system_metadata"], cancellationToken);
        }
        catch (InstanceNotFoundException)
        {
            await GiveUpAsync(context, migration, "its instance is gone", cancellationToken);
            return;
        }

        switch (instance.VmState, instance.TaskState)
        {
            case (VmState.Error, _):
                await GiveUpAsync(context, migration, "its instance is in error", cancellationToken);
                break;
            case (_, TaskState.Deleting or TaskState.SoftDeleting or TaskState.ResizeFinish):
                // Confirmed by the delete, or not quite finished.
                break;
            case (VmState.Resized, null):
                await RequestAsync(context, instance, migration, cancellationToken);
                break;
            default:
                await GiveUpAsync(
                    context, migration, $"its instance is {instance.VmState}/{instance.TaskState ?? "None"}, not resized/None", cancellationToken);
                break;
        }
    }

    /// <summary>As the API does for a user: the owner finds the action in the list.</summary>
    private async Task RequestAsync(RequestContext context, Instance instance, Migration migration, CancellationToken cancellationToken)
    {
        logger.LogInformation("Confirming migration {Migration}, which nobody has within {Window}", migration.Uuid, options.ResizeConfirmWindow);
        migration.Status = "confirming";
        await conductor.SaveAsync(context, migration, cancellationToken);
        await conductor.ActionStartAsync(context, instance.Uuid, "confirmResize", cancellationToken);
        await compute.ConfirmResizeAsync(context, instance, migration, cancellationToken);
    }

    private Task GiveUpAsync(RequestContext context, Migration migration, string why, CancellationToken cancellationToken)
    {
        logger.LogWarning("Migration {Migration} is not confirmed: {Why}.", migration.Uuid, why);
        migration.Status = "error";
        return conductor.SaveAsync(context, migration, cancellationToken);
    }
}
