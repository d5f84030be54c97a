using Microsoft.Extensions.Logging;
using NovaLxd.Images;
using NovaLxd.Messaging;
using NovaLxd.Virt;

namespace NovaLxd.Periodic;

/// <summary>Removes images that no container uses and none has for long enough (nova/virt/imagecache.py).</summary>
internal sealed class ImageCachePass(IContainerDriver driver, ImageCacheOptions options, TimeProvider time, ILogger<ImageCachePass> logger)
{
    public async Task RunAsync(RequestContext context, CancellationToken cancellationToken)
    {
        if (!options.RemoveUnusedBaseImages)
        {
            return;
        }

        var limit = time.GetUtcNow() - options.RemoveUnusedOriginalMinimumAgeSeconds;
        foreach (var image in await driver.ListImagesAsync(cancellationToken))
        {
            if (image.LastUsedAt < limit && await driver.DeleteImageAsync(image.Key, cancellationToken))
            {
                logger.LogInformation("Image {Key} was not used since {LastUsed:u} and was removed from the cache", image.Key, image.LastUsedAt);
            }
        }
    }
}
