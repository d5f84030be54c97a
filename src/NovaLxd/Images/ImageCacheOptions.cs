namespace NovaLxd.Images;

/// <summary>[image_cache] (nova/conf/imagecache.py).</summary>
internal sealed record ImageCacheOptions
{
    /// <summary>Seconds between two passes over the cache; 0: every 60 seconds, -1: off.</summary>
    public TimeSpan ManagerInterval { get; init; } = TimeSpan.FromSeconds(2400);

    /// <summary>Whether images that no instance uses are removed.</summary>
    public bool RemoveUnusedBaseImages { get; init; } = true;

    /// <summary>Seconds an image must have been unused.</summary>
    public TimeSpan RemoveUnusedOriginalMinimumAgeSeconds { get; init; } = TimeSpan.FromSeconds(86400);
}
