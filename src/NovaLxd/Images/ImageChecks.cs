using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Images;

/// <summary>Whether an instance of a flavor can be made from an image: what Glance says of it, before any of it is downloaded.</summary>
internal static class ImageChecks
{
    /// <exception cref="BuildAbortException">It cannot, on any host.</exception>
    public static void Check(ImageDescription image, Flavor flavor)
    {
        if (image.Status is not (null or "active"))
        {
            throw new ImageNotActiveException(image.Id);
        }

        if (flavor.MemoryMb < image.MinRam)
        {
            throw new FlavorMemoryTooSmallException(
                $"Flavor's memory is too small for requested image: it has {flavor.MemoryMb} MiB, the image asks for {image.MinRam} MiB.");
        }

        if (flavor.RootGb > 0 && flavor.RootGb < image.MinDisk)
        {
            throw new FlavorDiskTooSmallException(
                $"The created instance's disk would be too small: the flavor has {flavor.RootGb} GiB, the image asks for {image.MinDisk} GiB.");
        }
    }
}
