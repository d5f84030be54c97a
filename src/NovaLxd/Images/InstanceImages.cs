using System.Net;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.Glance;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Images;

/// <summary>Brings images from Glance to this host, each content once.</summary>
internal sealed class InstanceImages(IContainerDriver driver, GlanceClient glance, LxdOptions options)
{
    /// <summary>What Glance says of an image.</summary>
    /// <exception cref="Outcomes.ImageNotFoundException">There is none.</exception>
    /// <exception cref="ImageUnacceptableException">It is not for this user.</exception>
    public async Task<ImageDescription> DescribeAsync(RequestContext context, string id, CancellationToken cancellationToken)
    {
        try
        {
            return ImageDescription.From(await glance.ShowAsync(Callers.User(context), id, cancellationToken));
        }
        catch (OpenStackHttpException e) when (e.Status is HttpStatusCode.NotFound or HttpStatusCode.Gone)
        {
            throw new Outcomes.ImageNotFoundException(id);
        }
        catch (OpenStackHttpException e) when (e.Status is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized)
        {
            throw new ImageUnacceptableException(id, "Glance does not let this user read it", e);
        }
    }

    /// <summary>Returns when the image is unpacked here: at once when it was, after somebody else's download when one is under way.</summary>
    /// <param name="context">Whose right to read the image counts.</param>
    /// <param name="image">What Glance says of it.</param>
    /// <param name="flavor">Whose root disk has to hold it; null: not known yet.</param>
    /// <param name="cancellationToken">Ends the wait; a download that others wait for goes on.</param>
    /// <exception cref="BuildAbortException">Glance has no such image for this user, or it is not what Glance says, or does not fit the flavor.</exception>
    public async Task EnsureAsync(RequestContext context, ImageDescription image, Flavor? flavor, CancellationToken cancellationToken)
    {
        if (await driver.FindImageAsync(image.Key, cancellationToken) is not null)
        {
            return;
        }

        var import = new ImageImport
        {
            Key = image.Key,
            OpenAsync = token => OpenAsync(context, image, token),
            HashAlgorithm = image.HashAlgorithm,
            HashValue = image.HashValue,
            MaxUnpackedBytes = flavor is { RootGb: > 0 and var gib } ? Math.Min(options.ImageMaxBytes, (long)gib << 30) : options.ImageMaxBytes,
        };
        try
        {
            await driver.ImportImageAsync(import, cancellationToken);
        }
        catch (ImageRejectedException e)
        {
            throw new ImageUnacceptableException(image.Id, e.Message, e);
        }
    }

    private async Task<Stream> OpenAsync(RequestContext context, ImageDescription image, CancellationToken cancellationToken)
    {
        try
        {
            return await glance.OpenAsync(Callers.User(context), image.Id, cancellationToken);
        }
        catch (OpenStackHttpException e) when (e.Status is HttpStatusCode.NotFound or HttpStatusCode.Gone)
        {
            throw new ImageUnacceptableException(image.Id, "Glance has no such image any more", e);
        }
        catch (OpenStackHttpException e) when (e.Status is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized)
        {
            throw new ImageUnacceptableException(image.Id, "Glance does not let this user read it", e);
        }
        catch (OpenStackHttpException e) when (e.Status is HttpStatusCode.NoContent)
        {
            throw new ImageUnacceptableException(image.Id, "it has no data", e);
        }
    }
}
