using System.Net;
using Microsoft.Extensions.Logging;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.Glance;

namespace NovaLxd.Images;

/// <summary>Keeps so many backups of an instance as its user wants, the newest of each type (nova/compute/manager.py:_rotate_backups).</summary>
internal sealed class BackupRotation(GlanceClient glance, ILogger<BackupRotation> logger)
{
    /// <param name="context">Whose images.</param>
    /// <param name="instance">Whose backups.</param>
    /// <param name="backupType">"daily", "weekly" or whatever the user calls it.</param>
    /// <param name="rotation">How many are kept, the new one counted.</param>
    public async Task RotateAsync(RequestContext context, Instance instance, string backupType, int rotation, CancellationToken cancellationToken)
    {
        var caller = Callers.User(context);
        var images = await glance.ListAsync(
            caller,
            new Dictionary<string, string>
            {
                ["image_type"] = "backup",
                ["backup_type"] = backupType,
                ["instance_uuid"] = instance.Uuid,
                ["sort_key"] = "created_at",
                ["sort_dir"] = "desc",
            },
            cancellationToken);
        foreach (var old in images.Skip(rotation).Reverse())
        {
            await DeleteAsync(caller, old, cancellationToken);
        }
    }

    /// <summary>A backup that its user protects, or that is in use, stays, and does not keep the others.</summary>
    private async Task DeleteAsync(OpenStackCaller caller, Image old, CancellationToken cancellationToken)
    {
        try
        {
            await glance.DeleteAsync(caller, old.Id, cancellationToken);
            logger.LogInformation("Backup {Image} ({Name}, of {CreatedAt}) was deleted: there are newer ones.", old.Id, old.Name, old.CreatedAt);
        }
        catch (OpenStackHttpException e) when (e.Status is HttpStatusCode.Forbidden or HttpStatusCode.Conflict)
        {
            logger.LogWarning("Backup {Image} ({Name}) is one too many and cannot be deleted: {Reason}", old.Id, old.Name, e.Message);
        }
    }
}
