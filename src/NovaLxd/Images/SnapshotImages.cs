using System.Net;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.Glance;
using NovaLxd.Outcomes;
using NovaLxd.Virt;
using ImageNotFoundException = NovaLxd.Outcomes.ImageNotFoundException;

namespace NovaLxd.Images;

/// <summary>The image in Glance that an instance becomes. Nova's API has made it (status queued) before it asks for the snapshot.</summary>
internal sealed class SnapshotImages(GlanceClient glance, ILogger<SnapshotImages> logger)
{
    private const string Active = "active";

    /// <summary>
    /// What the image is, before it has data: the formats cannot be changed any more after that. The rest are properties that Nova's drivers set, and
    /// the least size of a root disk that the image fits on, where the image the instance came from says less.
    /// </summary>
    /// <exception cref="ImageNotFoundException">Somebody has deleted it.</exception>
    public Task DescribeAsync(RequestContext context, Instance instance, string imageId, ContainerExport export, CancellationToken cancellationToken) =>
        WithImageAsync(imageId, async () =>
        {
            var caller = Callers.User(context);
            var image = await glance.ShowAsync(caller, imageId, cancellationToken);
            await glance.UpdateAsync(caller, imageId, Changes(instance, image.MinDisk, export.UnpackedBytes), cancellationToken);
        });

    /// <summary>Sends the data, as it is made; Glance makes the image active.</summary>
    /// <exception cref="ImageNotFoundException">Somebody has deleted it, before or meanwhile.</exception>
    public Task UploadAsync(RequestContext context, string imageId, Stream content, CancellationToken cancellationToken) =>
        WithImageAsync(imageId, () => glance.UploadAsync(Callers.User(context), imageId, content, cancellationToken));

    /// <summary>Deletes an image that will never have data; nothing when it is gone.</summary>
    public Task DeleteAsync(RequestContext context, string imageId, CancellationToken cancellationToken) =>
        glance.DeleteAsync(Callers.User(context), imageId, cancellationToken);

    /// <summary>Deletes the image unless its data had arrived in whole, when it is of use to its owner.</summary>
    public async Task DeleteUnfinishedAsync(RequestContext context, string imageId, CancellationToken cancellationToken)
    {
        try
        {
            if ((await glance.ShowAsync(Callers.User(context), imageId, cancellationToken)).Status == Active)
            {
                return;
            }
        }
        catch (OpenStackHttpException e) when (IsGone(e))
        {
            return;
        }

        await DeleteAsync(context, imageId, cancellationToken);
    }

    /// <summary>Deletes the image of an instance that was unshelved. One that stays is a nuisance to its owner, and no failure.</summary>
    public async Task DeleteShelvedAsync(RequestContext context, string imageId, CancellationToken cancellationToken)
    {
        try
        {
            await DeleteAsync(context, imageId, cancellationToken);
        }
        catch (OpenStackException e)
        {
            logger.LogWarning("The image {Image} of the instance that was shelved could not be deleted: {Reason}", imageId, e.Message);
        }
    }

    /// <summary>Pure. An empty id of kernel or ramdisk is null on the wire: Glance wants a uuid or nothing.</summary>
    internal static IReadOnlyList<ImageChange> Changes(Instance instance, int minDisk, long unpackedBytes)
    {
        var changes = new List<ImageChange>
        {
            ImageChange.Set("disk_format", "raw"),
            ImageChange.Set("container_format", "bare"),
            ImageChange.Set("kernel_id", IdOrNull(instance.KernelId)),
            ImageChange.Set("ramdisk_id", IdOrNull(instance.RamdiskId)),
            ImageChange.Set("image_location", "snapshot"),
            ImageChange.Set("image_state", "available"),
            ImageChange.Set("owner_id", instance.ProjectId),
        };
        if (instance.OsType is { } osType)
        {
            changes.Add(ImageChange.Set("os_type", osType));
        }

        var gigabytes = (int)Math.Min(int.MaxValue, (unpackedBytes + (1L << 30) - 1) >> 30);
        if (gigabytes > minDisk)
        {
            changes.Add(ImageChange.Set("min_disk", gigabytes));
        }

        return changes;
    }

    private static JToken IdOrNull(string? id) => string.IsNullOrEmpty(id) ? JValue.CreateNull() : id;

    private static bool IsGone(OpenStackHttpException e) => e.Status is HttpStatusCode.NotFound or HttpStatusCode.Gone;

    private static async Task WithImageAsync(string imageId, Func<Task> step)
    {
        try
        {
            await step();
        }
        catch (OpenStackHttpException e) when (IsGone(e))
        {
            throw new ImageNotFoundException(imageId);
        }
    }
}
