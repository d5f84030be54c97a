using NovaLxd.Images;
using NovaLxd.Instances;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Build;

/// <summary>What a build asks for that cannot be given on any host of this kind: it is refused before anything is made.</summary>
internal static class BuildChecks
{
    /// <exception cref="BuildAbortException">There is no image to boot from.</exception>
    public static ImageDescription Image(BuildAndRunInstance.Request request)
    {
        try
        {
            return ImageDescription.Parse(request.Image);
        }
        catch (FormatException e)
        {
            throw BuildAbortException.For(request.Instance.Uuid, e.Message, e);
        }
    }

    /// <summary>The files the user sent along, decoded; a path is taken from the root.</summary>
    /// <exception cref="BuildAbortException">One is not Base64.</exception>
    public static IReadOnlyList<InjectedFile> Files(BuildAndRunInstance.Request request)
    {
        var files = new List<InjectedFile>();
        foreach (var file in request.InjectedFiles ?? [])
        {
            var buffer = new byte[file[1].Length];
            if (!Convert.TryFromBase64String(file[1], buffer, out var length))
            {
                throw BuildAbortException.For(request.Instance.Uuid, $"The injected file {file[0]} is not Base64.");
            }

            files.Add(new InjectedFile(file[0].StartsWith('/') ? file[0] : "/" + file[0], buffer[..length]));
        }

        return files;
    }

    /// <exception cref="BuildAbortException"/>
    public static void Check(BuildAndRunInstance.Request request, ImageDescription image)
    {
        var instance = request.Instance;
        var flavor = instance.Flavor;
        void Refuse(string reason) => throw BuildAbortException.For(instance.Uuid, reason);

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

        FlavorChecks.Check(instance);
        if (instance.IsSet("trusted_certs") && instance.TrustedCerts is not null)
        {
            Refuse("Trusted image certificates are not supported by this host.");
        }

        foreach (var disk in request.BlockDeviceMapping?.Objects ?? [])
        {
            if (disk.DestinationType == "volume")
            {
                Refuse("Volumes are not supported by this host yet: boot from an image with a local root disk.");
            }

            if (disk.Tag is { Length: > 0 })
            {
                Refuse("Device tags are not supported by this host yet.");
            }
        }
    }
}
