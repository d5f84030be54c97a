using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Images;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Images;

/// <summary><c>openstack server image create</c>: the instance becomes an image, and goes on meanwhile (nova/compute/manager.py:snapshot_instance).</summary>
internal sealed class SnapshotInstance(
    InstanceSnapshots snapshots, SnapshotImages images, SnapshotSlots slots, ConductorClient conductor, ILogger<SnapshotInstance> logger)
    : IOperation<SnapshotInstance.Request, None>
{
    internal sealed record Request(string ImageId, Instance Instance) : IInstanceRequest;

    /// <summary>(1) begin, unless the instance is being deleted (2) wait for a slot (3) take it. A failure takes the image away.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        await using var undo = new Undo(logger);
        undo.Add($"image {request.ImageId}", token => images.DeleteAsync(context, request.ImageId, token));

        // (1)
        try
        {
            instance.TaskState = TaskState.ImageSnapshot;
            await conductor.SaveAsync(context, instance, [TaskState.ImageSnapshotPending], cancellationToken);
        }
        catch (Exception e) when (e is InstanceNotFoundException or UnexpectedDeletingTaskStateException)
        {
            logger.LogInformation("The instance is being deleted, and no image is made of it: {Reason}", e.Message);
            return default;
        }

        // (2)
        using var slot = await slots.EnterAsync(cancellationToken);

        // (3)
        await snapshots.TakeAsync(context, instance, request.ImageId, TaskState.ImageSnapshot, cancellationToken);
        undo.Keep();
        return default;
    }
}
