using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Images;
using NovaLxd.Messaging;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;
using ImageNotFoundException = NovaLxd.Outcomes.ImageNotFoundException;

namespace NovaLxd.Instances;

/// <summary>Makes an image of an instance (nova/compute/manager.py:_snapshot_instance, and what its drivers do in snapshot).</summary>
internal sealed partial class InstanceSnapshots(
    IContainerDriver driver, SnapshotImages images, PowerStates powerStates, ConductorClient conductor, INotifier notifier, IMeterFactory meters,
    TimeProvider time, ILogger<InstanceSnapshots> logger)
{
    /// <summary>What the guest notices of a snapshot.</summary>
    private readonly Histogram<double> _frozen = meters.Create("NovaLxd").CreateHistogram<double>(
        "novalxd.snapshot.frozen", "s", "Time that a running guest was frozen for a snapshot");

    /// <summary>
    /// (1) power state (2) to (4) the image (5) task done.
    /// <para>An instance that is deleted meanwhile ends it without a word, and so does the delete of the image.</para>
    /// </summary>
    /// <param name="begun">The task_state that the instance has by now.</param>
    /// <exception cref="UnexpectedTaskStateException">Somebody has given the instance another task, or none.</exception>
    public async Task TakeAsync(RequestContext context, Instance instance, string imageId, string begun, CancellationToken cancellationToken)
    {
        context = context.Elevated();
        var what = InstanceEvent.Snapshot(imageId);
        try
        {
            // (1)
            instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
            await conductor.SaveAsync(context, instance, cancellationToken);
            await notifier.InstanceAsync(context, instance, what.Start, cancellationToken);

            await UploadAsync(context, instance, imageId, new(begun, TaskState.ImagePendingUpload, TaskState.ImageUploading), cancellationToken);

            // (5)
            await MoveOnAsync(context, instance, null, TaskState.ImageUploading, cancellationToken);
            await notifier.InstanceAsync(context, instance, what.End, cancellationToken);
        }
        catch (Exception e) when (e is InstanceNotFoundException or UnexpectedDeletingTaskStateException)
        {
            LogInstanceGone(e.Message);
            await images.DeleteUnfinishedAsync(context, imageId, cancellationToken);
        }
        catch (ContainerNotFoundException e) when (!cancellationToken.IsCancellationRequested)
        {
            // Without its container the instance is being deleted, or something is wrong that its user has to know.
            if (!await IsBeingDeletedAsync(context, instance, cancellationToken))
            {
                throw;
            }

            LogInstanceGone(e.Message);
            await images.DeleteUnfinishedAsync(context, imageId, cancellationToken);
        }
        catch (ImageNotFoundException)
        {
            LogImageGone(imageId);
            instance.TaskState = null;
            await conductor.SaveAsync(context, instance, cancellationToken);
        }
    }

    /// <summary>(2) files of the guest, at one instant (3) description (4) data, packed while it is sent.</summary>
    /// <param name="tasks">What the instance's task_state is meanwhile.</param>
    /// <exception cref="ImageNotFoundException">Somebody has deleted the image.</exception>
    /// <exception cref="ContainerNotFoundException">The instance has no container here, or lost it meanwhile.</exception>
    public async Task UploadAsync(RequestContext context, Instance instance, string imageId, SnapshotTasks tasks, CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();

        // (2)
        await using var export = await driver.ExportAsync(Guid.Parse(instance.Uuid), cancellationToken);
        if (export.Frozen > TimeSpan.Zero)
        {
            _frozen.Record(export.Frozen.TotalSeconds);
        }

        await MoveOnAsync(context, instance, tasks.PendingUpload, tasks.Begun, cancellationToken);

        // (3)
        await images.DescribeAsync(context, instance, imageId, export, cancellationToken);
        await MoveOnAsync(context, instance, tasks.Uploading, tasks.PendingUpload, cancellationToken);

        // (4)
        await images.UploadAsync(context, imageId, export.Content, cancellationToken);
        LogTaken(time.GetElapsedTime(begun).TotalSeconds, export.Frozen.TotalMilliseconds);
    }

    private async Task<bool> IsBeingDeletedAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        try
        {
            return (await conductor.GetInstanceAsync(context, instance.Uuid, [], cancellationToken)).TaskState == TaskState.Deleting;
        }
        catch (InstanceNotFoundException)
        {
            return true;
        }
    }

    private Task MoveOnAsync(RequestContext context, Instance instance, string? to, string from, CancellationToken cancellationToken)
    {
        instance.TaskState = to;
        return conductor.SaveAsync(context, instance, [from], cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Took {Seconds:0.00} seconds to make an image of the instance; its guest was frozen for {Milliseconds:0.0} ms of them")]
    private partial void LogTaken(double seconds, double milliseconds);

    [LoggerMessage(Level = LogLevel.Information, Message = "The instance was deleted while an image of it was made: {Reason}")]
    private partial void LogInstanceGone(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Image {Image} was deleted while it was made")]
    private partial void LogImageGone(string image);
}

/// <summary>The task_states of an instance that becomes an image.</summary>
/// <param name="Begun">Before anything is done.</param>
/// <param name="PendingUpload">Its files are taken.</param>
/// <param name="Uploading">The image gets them.</param>
internal sealed record SnapshotTasks(string Begun, string PendingUpload, string Uploading);
