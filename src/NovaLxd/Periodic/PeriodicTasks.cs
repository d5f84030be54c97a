using Microsoft.Extensions.Logging;
using NovaLxd.Configuration;
using NovaLxd.Images;
using NovaLxd.Messaging;
using NovaLxd.OpenStack;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.Startup;
using NovaLxd.Virt;

namespace NovaLxd.Periodic;

/// <summary>
/// The table of what is done again and again (nova/compute/manager.py, periodic tasks). Each has a loop of its own, so that a slow one does not delay the
/// report that the service is alive; one that fails is logged and comes again.
/// </summary>
internal sealed class PeriodicTasks(
    ServiceRecord record,
    ResourceTracker resources,
    SyncPowerStates powerStates,
    HealInfoCache infoCache,
    CleanRunningDeleted runningDeleted,
    ImageCachePass imageCache,
    SyncSchedulerInstances schedulerInstances,
    CheckBuildTimes buildTimes,
    PollRescuedInstances rescued,
    CleanDeletedFiles deletedFiles,
    ReclaimQueuedDeletes queuedDeletes,
    ConfirmOldResizes oldResizes,
    OffloadShelved shelved,
    CleanMovedContainers movedContainers,
    ServiceOptions service,
    PeriodicOptions options,
    ImageCacheOptions imageOptions,
    PeriodicHealth health,
    TimeProvider time,
    ILogger<PeriodicTasks> logger)
{
    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan FirstReport = TimeSpan.FromSeconds(5);

    private sealed record Row(string Name, TimeSpan Interval, Func<RequestContext, CancellationToken, Task> RunAsync, TimeSpan? First = null);

    private IEnumerable<Row> Table()
    {
        yield return new("report_state", service.ReportInterval, record.ReportAsync, FirstReport);
        if (!options.PeriodicEnable)
        {
            yield break;
        }

        yield return new("update_available_resource", options.UpdateResourcesInterval, (c, t) => resources.UpdateAsync(c, startup: false, t));
        yield return new("_sync_power_states", options.SyncPowerStateInterval, powerStates.RunAsync, TimeSpan.Zero);
        yield return new("_heal_instance_info_cache", infoCache.Interval, infoCache.RunAsync);
        yield return new("_cleanup_running_deleted_instances", options.RunningDeletedInstancePollInterval, runningDeleted.RunAsync, TimeSpan.Zero);
        yield return new("_run_image_cache_manager_pass", imageOptions.ManagerInterval, imageCache.RunAsync);
        yield return new("_sync_scheduler_instance_info", options.SchedulerInstanceSyncInterval, schedulerInstances.RunAsync);
        yield return new("_poll_unconfirmed_resizes", Usual, oldResizes.RunAsync);
        yield return new("_cleanup_incomplete_migrations", options.InstanceDeleteInterval, movedContainers.RunAsync);
        yield return new("_check_instance_build_time", Usual, buildTimes.RunAsync);
        yield return new("_poll_rescued_instances", Usual, rescued.RunAsync);
        yield return new("_run_pending_deletes", options.InstanceDeleteInterval, deletedFiles.RunAsync);
        yield return new("_reclaim_queued_deletes", Usual, queuedDeletes.RunAsync);
        yield return new("_poll_shelved_instances", options.ShelvedPollInterval, shelved.RunAsync);
    }

    public Task RunAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(Table().Where(t => t.Interval >= TimeSpan.Zero).Select(t => LoopAsync(t, cancellationToken)));

    private async Task LoopAsync(Row task, CancellationToken cancellationToken)
    {
        var interval = task.Interval == TimeSpan.Zero ? Usual : task.Interval;

        // Hosts that started together are not to ask together for ever; what matters at once does not wait.
        var first = task.First ?? interval + (options.PeriodicFuzzyDelay * Random.Shared.NextDouble());
        await Task.Delay(first, time, cancellationToken);
        using var timer = new PeriodicTimer(interval, time);
        do
        {
            await RunOnceAsync(task, cancellationToken);
        }
        while (await timer.WaitForNextTickAsync(cancellationToken));
    }

    private async Task RunOnceAsync(Row task, CancellationToken cancellationToken)
    {
        var context = RequestContext.CreateAdmin();
        using var scope = logger.BeginScope(new Logging.LogSubject(context.RequestId));
        try
        {
            await task.RunAsync(context, cancellationToken);
            health.Succeeded(task.Name);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception e) when (e is OpenStackException or OutcomeException or TimeoutException or RemoteFailureException or OperationCanceledException)
        {
            health.Failed(task.Name, e.Message);
            logger.LogWarning("Periodic task {Task} did not succeed and is tried again: {Reason}", task.Name, e.Message);
        }
#pragma warning disable CA1031 // A fault in one task must not end the report that the service is alive.
        catch (Exception e)
#pragma warning restore CA1031
        {
            health.Failed(task.Name, e.Message);
            logger.LogError(e, "Periodic task {Task} failed", task.Name);
        }
    }
}
