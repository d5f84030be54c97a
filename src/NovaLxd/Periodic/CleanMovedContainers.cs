using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Operations.Move;
using NovaLxd.Outcomes;
using NovaLxd.Virt;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Periodic;

/// <summary>
/// Containers of instances that are on another host by the database (nova/compute/manager.py:_cleanup_incomplete_migrations, and what Nova leaves for good): the
/// source's after a confirmation, the destination's after a revert or a move that failed, and either after the instance was deleted in between. Only what a
/// record of a move says is touched, and never what runs. A container that is the last of its data, be the instance an error or not, is no such thing.
/// </summary>
internal sealed class CleanMovedContainers(
    ConductorClient conductor, IContainerDriver driver, InstanceLocks locks, ConfirmResize confirm, ServiceOptions service, ILogger<CleanMovedContainers> logger)
{
    private static readonly string[] Attributes = ["metadata", "system_metadata", "flavor", "old_flavor", "new_flavor", "info_cache", "migration_context"];

    public async Task RunAsync(RequestContext context, CancellationToken cancellationToken)
    {
        var stopped = (await driver.ListAsync(cancellationToken)).Where(c => c.State is ContainerState.Stopped or ContainerState.Crashed).Select(c => c.Id.ToString()).ToList();
        if (stopped.Count == 0)
        {
            return;
        }

        var here = await conductor.GetInstanceUuidsByHostAsync(context, service.Host, cancellationToken);
        foreach (var uuid in stopped.Except(here))
        {
            using var scope = logger.BeginScope(new Logging.LogSubject(InstanceUuid: Guid.Parse(uuid)));
            try
            {
                using var held = await locks.AcquireAsync(uuid, cancellationToken);
                await CleanAsync(context, uuid, cancellationToken);
            }
            catch (Exception e) when (e is OutcomeException or VirtException or KernelException or IOException)
            {
                logger.LogWarning("What is left here of an instance that moved cannot be taken away, which is tried again: {Reason}", e.Message);
            }
        }
    }

    private async Task CleanAsync(RequestContext context, string uuid, CancellationToken cancellationToken)
    {
        var filters = new JObject { ["instance_uuid"] = uuid };
        var migration = (await conductor.GetMigrationsByFiltersAsync(context, filters, cancellationToken))
            .Where(m => m.MigrationType is "resize" or "migration" && HostMoves.IsMove(m)).MaxBy(m => m.Id);
        if (migration is null || (migration.SourceCompute != service.Host && migration.DestCompute != service.Host))
        {
            return;
        }

        Instance instance;
        try
        {
            instance = await conductor.GetInstanceAsync(context, uuid, Attributes, cancellationToken);
        }
        catch (InstanceNotFoundException)
        {
            await DeleteAsync(uuid, "it was deleted while it moved", cancellationToken);
            await FailAsync(context, migration, cancellationToken);
            return;
        }

        var source = migration.SourceCompute == service.Host;
        switch (migration.Status)
        {
            case "confirming" or "confirmed" when source && instance.VmState == VmState.Resized:
                logger.LogInformation("The service was stopped while it confirmed the move of the instance; that is finished now.");
                await confirm.ConfirmAsync(context, instance, migration, cancellationToken);
                break;
            case "confirmed" when source && instance.Host == migration.DestCompute:
                await DeleteAsync(uuid, $"it has moved to {instance.Host}", cancellationToken);
                break;
            case "reverted" or "error" when !source && instance.Host == migration.SourceCompute && !Resources.TrackedInstance.IsMoving(instance):
                await DeleteAsync(uuid, $"it is back on {instance.Host}", cancellationToken);
                break;
        }
    }

    private async Task DeleteAsync(string uuid, string why, CancellationToken cancellationToken)
    {
        logger.LogInformation("The instance's container is still here, and {Why}; the container is removed.", why);
        await driver.DeleteAsync(Guid.Parse(uuid), cancellationToken);
    }

    /// <summary>As Nova does, so that nobody looks at it again.</summary>
    private async Task FailAsync(RequestContext context, Migration migration, CancellationToken cancellationToken)
    {
        if (migration.Status == "error")
        {
            migration.Status = "failed";
            await conductor.SaveAsync(context, migration, cancellationToken);
        }
    }
}
