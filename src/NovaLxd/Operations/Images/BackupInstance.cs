using Microsoft.Extensions.Logging;
using NovaLxd.Images;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Images;

/// <summary><c>openstack server backup create</c>: an image as by a snapshot, in the place of the oldest one of its type (nova/compute/manager.py:backup_instance).</summary>
internal sealed class BackupInstance(InstanceSnapshots snapshots, SnapshotImages images, BackupRotation rotation, ILogger<BackupInstance> logger)
    : IOperation<BackupInstance.Request, None>
{
    /// <param name="ImageId">The image, which the API has queued.</param>
    /// <param name="Instance">What is backed up.</param>
    /// <param name="BackupType">The user's word for it.</param>
    /// <param name="Rotation">How many backups of that type are kept.</param>
    internal sealed record Request(string ImageId, Instance Instance, string BackupType, int Rotation) : IInstanceRequest;

    /// <summary>(1) take it; a failure takes the image away (2) the oldest go, once the new one is there.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        // (1)
        await using (var undo = new Undo(logger))
        {
            undo.Add($"image {request.ImageId}", token => images.DeleteAsync(context, request.ImageId, token));
            await snapshots.TakeAsync(context, request.Instance, request.ImageId, TaskState.ImageBackup, cancellationToken);
            undo.Keep();
        }

        // (2)
        await rotation.RotateAsync(context, request.Instance, request.BackupType, request.Rotation, cancellationToken);
        return default;
    }
}
