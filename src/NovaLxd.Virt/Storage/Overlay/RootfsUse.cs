namespace NovaLxd.Virt.Storage.Overlay;

/// <summary>Which root file system stands on which image. Filled from disk at start; an image in use is not deleted.</summary>
internal sealed class RootfsUse
{
    private readonly Dictionary<Guid, string> _images = [];

    public void Add(Guid id, string imageKey)
    {
        lock (_images)
        {
            _images[id] = imageKey;
        }
    }

    public void Remove(Guid id)
    {
        lock (_images)
        {
            _images.Remove(id);
        }
    }

    public bool Contains(string imageKey)
    {
        lock (_images)
        {
            return _images.ContainsValue(imageKey);
        }
    }
}
