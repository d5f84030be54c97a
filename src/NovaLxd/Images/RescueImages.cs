using System.Net;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.Glance;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Images;

/// <summary>
/// The image that an instance is rescued with (nova/compute/manager.py:_get_rescue_image). What it asks for as a device (hw_rescue_device, hw_rescue_bus) needs no
/// answer: every device of the instance stays what and where it is while a container is rescued.
/// </summary>
internal sealed class RescueImages(GlanceClient glance, InstanceImages images)
{
    private const string BaseImage = "image_base_image_ref";

    /// <summary>Of the user's choice, or the one the instance was made from.</summary>
    /// <exception cref="Outcomes.ImageNotFoundException">Glance has no such image for this user.</exception>
    /// <exception cref="InstanceNotRescuableException">There is none to choose, or it is not active.</exception>
    public async Task<Image> FindAsync(RequestContext context, Instance instance, string? rescueImageRef, CancellationToken cancellationToken)
    {
        var id = new[] { rescueImageRef, instance.SystemMetadata.Find(BaseImage), instance.ImageRef }.FirstOrDefault(i => i is { Length: > 0 })
            ?? throw new InstanceNotRescuableException(instance.Uuid, "it was not made from an image: name a rescue image");
        try
        {
            var image = await glance.ShowAsync(Callers.User(context), id, cancellationToken);
            return image.Status == "active"
                ? image
                : throw new InstanceNotRescuableException(instance.Uuid, $"image {id} is {image.Status} and not active");
        }
        catch (OpenStackHttpException e) when (e.Status is HttpStatusCode.NotFound or HttpStatusCode.Gone)
        {
            throw new Outcomes.ImageNotFoundException(id);
        }
        catch (OpenStackHttpException e) when (e.Status is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized)
        {
            throw new InstanceNotRescuableException(instance.Uuid, $"Glance does not let this user read image {id}", e);
        }
    }

    /// <summary>Returns its content key when it is unpacked here.</summary>
    /// <exception cref="InstanceNotRescuableException">It cannot be had, or is not what can be booted.</exception>
    public async Task<string> EnsureAsync(RequestContext context, Instance instance, Image image, CancellationToken cancellationToken)
    {
        var description = new ImageDescription
        {
            Id = image.Id,
            Name = image.Name,
            Status = image.Status,
            Size = image.Size,
            HashAlgorithm = image.OsHashValue is not null ? image.OsHashAlgo : image.Checksum is not null ? "md5" : null,
            HashValue = image.OsHashValue ?? image.Checksum,
        };
        try
        {
            // As large as it likes: it is not on the disk that the flavor promises.
            await images.EnsureAsync(context, description, null, cancellationToken);
            return description.Key;
        }
        catch (Exception e) when (e is BuildAbortException or VirtException)
        {
            throw new InstanceNotRescuableException(instance.Uuid, e.Message, e);
        }
    }
}
