using NovaLxd.Images;
using NovaLxd.Messaging;
using NovaLxd.OpenStack;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Host;

/// <summary>
/// Brings images to this host before anybody boots from them, as an operator asks for a whole aggregate (nova/compute/manager.py:cache_images). One image
/// that cannot be had does not keep the others away; its reason is in this host's log, for the answer has room for a word only.
/// </summary>
internal sealed partial class CacheImages(
    InstanceImages images, IContainerDriver driver, ILogger<CacheImages> log) : IOperation<CacheImages.Request, Dictionary<string, string>>
{
    internal sealed record Request(IReadOnlyList<string> ImageIds);

    /// <returns>"existing", "cached" or "error" by image id.</returns>
    public async Task<Dictionary<string, string>> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        LogBegins(request.ImageIds.Count);
        var results = new Dictionary<string, string>();
        // One after the other: the conductor asks several hosts at once already, and the disk here is one.
        foreach (var id in request.ImageIds.Distinct())
        {
            try
            {
                results[id] = await CacheAsync(context, id, cancellationToken) ? "cached" : "existing";
            }
            catch (Exception e) when (e is OutcomeException or OpenStackException or VirtException or FormatException or IOException)
            {
                LogFailed(e, id);
                results[id] = "error";
            }
        }

        return results;
    }

    /// <returns>False: it was here.</returns>
    private async Task<bool> CacheAsync(RequestContext context, string id, CancellationToken cancellationToken)
    {
        var image = await images.DescribeAsync(context, id, cancellationToken);
        if (image.Status != "active")
        {
            throw new ImageNotActiveException(id);
        }

        if (await driver.FindImageAsync(image.Key, cancellationToken) is not null)
        {
            return false;
        }

        await images.EnsureAsync(context, image, flavor: null, cancellationToken);
        return true;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Caching {Count} image(s) by request.")]
    private partial void LogBegins(int count);

    [LoggerMessage(Level = LogLevel.Error, Message = "Image {ImageId} cannot be cached.")]
    private partial void LogFailed(Exception exception, string imageId);
}
