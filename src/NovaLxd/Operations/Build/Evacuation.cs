using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Images;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Build;

/// <summary>
/// Makes an instance whose host has failed anew on this one: from its image, with its ports and addresses (nova/compute/manager.py:rebuild_instance with
/// recreate). What was written in the guest is on the host that failed, which removes its container when it comes back
/// (<see cref="Startup.EvacuationRecovery"/>). Until all is done the row names that host, so that a failure leaves the instance there, in error, to be evacuated again.
/// </summary>
internal sealed class Evacuation(
    ConductorClient conductor,
    ResourceTracker resources,
    ServerGroupPolicy serverGroups,
    EvacuationClaims claims,
    InstanceImages images,
    InstancePorts ports,
    MovePorts movePorts,
    InstanceSpawner spawner,
    InstanceStop stop,
    InstanceErrors errors,
    IContainerDriver driver,
    PowerStates powerStates,
    ServiceOptions options,
    InstanceOptions instanceOptions,
    INotifier notifier,
    TimeProvider time,
    ILogger<Evacuation> logger)
{
    private static readonly string[] Attributes = ["flavor", "metadata", "system_metadata", "info_cache", "trusted_certs"];

    /// <summary>(1) still wanted (2) to (7) make it (8) it is this host's.</summary>
    public async Task RunAsync(RequestContext context, RebuildInstance.Request request, CancellationToken cancellationToken)
    {
        // (1)
        if (!await IsWantedAsync(context, request.Instance, cancellationToken))
        {
            return;
        }

        context = context.Elevated();
        logger.LogInformation("The instance is evacuated from {Host}.", request.Instance.Host ?? "no host");
        await conductor.LoadAttributesAsync(context, request.Instance, Attributes, cancellationToken);
        var migration = request.Migration ?? await claims.CreateMigrationAsync(context, request.Instance, cancellationToken);
        try
        {
            await MakeAsync(context, request, migration, cancellationToken);
        }
        catch (Exception e) when (e is InstanceNotFoundException or UnexpectedDeletingTaskStateException)
        {
            logger.LogInformation("The instance was deleted while it was evacuated: {Reason}", e.Message);
            await claims.FailAsync(context, migration, cancellationToken);
            await NotifyErrorAsync(context, request, e, cancellationToken);
            return;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            await claims.FailAsync(context, migration, cancellationToken);
            await claims.ReleaseAllocationAsync(context, request.Instance, cancellationToken);
            await NotifyErrorAsync(context, request, e, cancellationToken);
            if (e is ComputeResourcesUnavailableException or RescheduledException)
            {
                // Nothing has been touched: it stays what it is on its own host.
                throw new BuildAbortException($"The server cannot be evacuated to this host: {e.Message}", 500, e);
            }

            await errors.SetAsync(context, request.Instance, cancellationToken);
            throw;
        }

        // (8) Only now: until here a stop of the service, or of this host, leaves an instance that can be evacuated again.
        await resources.FinishEvacuationAsync(context, request.Instance, migration, cancellationToken);
        logger.LogInformation("The instance was evacuated to this host.");
    }

    /// <summary>A request that comes a second time must not touch what the first one made.</summary>
    private async Task<bool> IsWantedAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        try
        {
            var row = await conductor.GetInstanceAsync(context, instance.Uuid, [], cancellationToken);
            if (row.TaskState != TaskState.Rebuilding)
            {
                logger.LogWarning(
                    "The instance is not evacuated: it is {VmState} on host {Host} by now, with task_state {TaskState}.", row.VmState, row.Host ?? "none", row.TaskState ?? "none");
                return false;
            }

            return row.Host != options.Host ? true : throw new InstanceExistsException(instance.Uuid);
        }
        catch (InstanceNotFoundException e)
        {
            logger.LogInformation("The instance is not evacuated: {Reason}", e.Message);
            return false;
        }
    }

    /// <summary>(2) claim (3) checks (4) take over (5) ports (6) container (7) save, and stopped again if it was. A failure takes all of it back but the ports' binding.</summary>
    private async Task MakeAsync(RequestContext context, RebuildInstance.Request request, Migration migration, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        var stopped = VmState.Stopped == instance.VmState || VmState.Stopped == request.TargetState;
        await using var undo = new Undo(logger);

        // A stop of the service leaves the migration where it is: that is how the next start finds what to take back.
        void Add(string what, Func<CancellationToken, Task> inverse) =>
            undo.Add(what, token => cancellationToken.IsCancellationRequested ? Task.CompletedTask : inverse(token));

        // (2)
        Add("claim", token => claims.AbortAsync(context, instance, token));
        await resources.ClaimMoveAsync(context, instance, instance.Flavor, request.ScheduledNode, migration, cancellationToken);

        // (3)
        if (request.RequestSpec is { } spec)
        {
            await serverGroups.CheckAsync(context, instance, spec, cancellationToken);
        }

        var (image, files) = await CheckAsync(context, request, cancellationToken);

        // (4)
        var imageName = request.ImageRef is null ? "" : image.Name; // Not kept with the instance.
        var period = AuditPeriod.Current(instanceOptions.InstanceUsageAuditPeriod, time.GetUtcNow());
        await notifier.InstanceAsync(context, instance, InstanceEvent.Exists(period, request.OrigImageRef ?? instance.ImageRef, request.OrigSysMetadata), cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.RebuildStart(imageName) with { BlockDevices = request.Disks }, cancellationToken);
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.TaskState = TaskState.Rebuilding;
        await conductor.SaveAsync(context, instance, [TaskState.Rebuilding], cancellationToken);

        // (5)
        await movePorts.AnnounceAsync(context, instance, options.Host, cancellationToken);
        await movePorts.FinishAsync(context, instance, options.Host, cancellationToken);
        var networkInfo = await ports.RefreshAsync(context, instance, cancellationToken);
        instance.TaskState = TaskState.RebuildBlockDeviceMapping;
        await conductor.SaveAsync(context, instance, [TaskState.Rebuilding], cancellationToken);
        instance.TaskState = TaskState.RebuildSpawning;
        await conductor.SaveAsync(context, instance, [TaskState.RebuildBlockDeviceMapping], cancellationToken);

        // (6)
        undo.Add("container", token => driver.DeleteAsync(Guid.Parse(instance.Uuid), token));
        await (stopped
            ? spawner.MakeAsync(context, instance, image, networkInfo, files, request.NewPass, cancellationToken)
            : spawner.SpawnAsync(context, instance, image, networkInfo, files, request.NewPass, cancellationToken));

        // (7)
        await SaveAsync(context, instance, stopped, cancellationToken);
        await resources.InstanceChangedAsync(context, instance, cancellationToken);
        await notifier.InstanceAsync(
            context, instance, InstanceEvent.RebuildEnd(imageName, networkInfo) with { BlockDevices = request.Disks }, cancellationToken);
        undo.Keep();
    }

    /// <exception cref="InstanceExistsException">Something of it is here.</exception>
    /// <exception cref="InvalidSharedStorageException">It is said to be on shared storage.</exception>
    /// <exception cref="BuildAbortException">It has what this host cannot give.</exception>
    private async Task<(ImageDescription Image, IReadOnlyList<InjectedFile> Files)> CheckAsync(
        RequestContext context, RebuildInstance.Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        if (await driver.FindAsync(Guid.Parse(instance.Uuid), cancellationToken) is not null)
        {
            throw new InstanceExistsException(instance.Uuid);
        }

        // A container's files are its host's own: what this host does not know is not on a disk of it either.
        if (request.OnSharedStorage == true)
        {
            throw new InvalidSharedStorageException();
        }

        var devices = request.Disks ?? await conductor.GetBlockDevicesAsync(context, instance.Uuid, cancellationToken);
        var imageRef = request.ImageRef ?? instance.ImageRef;
        RebuildChecks.Check(request with { ImageRef = imageRef, Bdms = NovaList<BlockDeviceMapping>.Of(devices) });
        var files = UserFiles.Decode(instance.Uuid, request.InjectedFiles);
        var image = await images.DescribeAsync(context, imageRef!, cancellationToken);
        ImageChecks.Check(image, instance.Flavor);
        return (image, files);
    }

    private async Task SaveAsync(RequestContext context, Instance instance, bool stopped, CancellationToken cancellationToken)
    {
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.VmState = VmState.Active;
        instance.TaskState = null;
        instance.LaunchedAt = time.GetUtcNow();
        await conductor.SaveAsync(context, instance, [TaskState.RebuildSpawning], cancellationToken);
        if (stopped)
        {
            logger.LogInformation("The instance was stopped and is so again.");
            await stop.StopAgainAsync(context, instance, cancellationToken);
        }
    }

    private Task NotifyErrorAsync(RequestContext context, RebuildInstance.Request request, Exception failure, CancellationToken cancellationToken) => notifier.InstanceAsync(
        context, request.Instance, InstanceEvent.Rebuild.Error(failure) with { BlockDevices = request.Disks }, cancellationToken);
}
