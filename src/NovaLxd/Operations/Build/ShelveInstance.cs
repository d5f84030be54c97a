using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Images;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Build;

/// <summary>
/// <c>openstack server shelve</c>: the guest is stopped and becomes an image, and leaves this host at once or after <c>shelved_offload_time</c>
/// (nova/compute/manager.py:shelve_instance).
/// </summary>
internal sealed class ShelveInstance(
    ConductorClient conductor,
    InstancePower power,
    PowerStates powerStates,
    InstanceSnapshots snapshots,
    SnapshotImages images,
    InstanceOffloading offloading,
    InstanceOptions options,
    ServiceHost host,
    INotifier notifier,
    TimeProvider time,
    ILogger<ShelveInstance> logger) : IOperation<ShelveInstance.Request, None>
{
    private static readonly SnapshotTasks Tasks =
        new(TaskState.Shelving, TaskState.ShelvingImagePendingUpload, TaskState.ShelvingImageUploading);

    /// <param name="Instance">What is shelved.</param>
    /// <param name="ImageId">The image, which the API has queued.</param>
    /// <param name="CleanShutdown">Whether the guest is asked to shut down.</param>
    /// <param name="AccelUuids">Accelerators, of which there are none here.</param>
    internal sealed record Request(Instance Instance, string ImageId, bool CleanShutdown = true, IReadOnlyList<string>? AccelUuids = null) : IInstanceRequest;

    /// <summary>(1) to (3) shelve (4) offload, unless the guest is kept for a while.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        var offload = options.ShelvedOffloadTime == TimeSpan.Zero;
        var devices = offload ? await conductor.GetBlockDevicesAsync(context, instance.Uuid, cancellationToken) : null;
        await notifier.InstanceAsync(
            context, instance, InstanceEvent.Exists(AuditPeriod.Current(options.InstanceUsageAuditPeriod, time.GetUtcNow())), cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.Shelve.Start with { BlockDevices = devices }, cancellationToken);

        // (1) to (3)
        await ShelveAsync(context, request, offload, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.Shelve.End with { BlockDevices = devices }, cancellationToken);

        // (4)
        if (offload)
        {
            await offloading.OffloadAsync(context, instance, clean: false, cancellationToken);
        }

        return default;
    }

    /// <summary>(1) power off (2) image (3) state. A failure takes the image away, and a guest that ran is started again.</summary>
    private async Task ShelveAsync(RequestContext context, Request request, bool offload, CancellationToken cancellationToken)
    {
        var (instance, before) = (request.Instance, request.Instance.VmState);
        await using var undo = new Undo(logger);
        undo.Add($"image {request.ImageId}", token => images.DeleteAsync(context, request.ImageId, token));

        // (1) A paused guest cannot shut down.
        var state = await powerStates.GetAsync(instance, cancellationToken);
        if (state == PowerState.Running)
        {
            undo.Add("the end of the guest", token => StartAgainAsync(context, instance, token));
        }

        await power.OffAsync(instance, request.CleanShutdown && state != PowerState.Paused, cancellationToken);

        // (2)
        await snapshots.UploadAsync(context, instance, request.ImageId, Tasks, cancellationToken);

        // (3) What is not saved must not be saved along with the failure.
        undo.Add("state", _ =>
        {
            instance.VmState = before;
            ShelvedKeys.Remove(instance);
            return Task.CompletedTask;
        });
        ShelvedKeys.Set(instance, time.GetUtcNow(), request.ImageId, host.Name);
        instance.VmState = VmState.Shelved;
        instance.TaskState = offload ? TaskState.ShelvingOffloading : null;
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        await conductor.SaveAsync(context, instance, [TaskState.Shelving, TaskState.ShelvingImageUploading], cancellationToken);
        undo.Keep();
    }

    private async Task StartAgainAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        try
        {
            if ((await conductor.GetInstanceAsync(context, instance.Uuid, [], cancellationToken)).TaskState != TaskState.Deleting)
            {
                await power.OnAsync(context, instance, instance.NetworkInfo, cancellationToken);
            }
        }
        catch (InstanceNotFoundException e)
        {
            logger.LogInformation("The guest is not started again: {Reason}", e.Message);
        }
    }
}
