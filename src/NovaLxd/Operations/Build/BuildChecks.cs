using NovaLxd.Images;
using NovaLxd.Instances;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

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

    /// <exception cref="BuildAbortException"/>
    public static void Check(BuildAndRunInstance.Request request, ImageDescription image)
    {
        var instance = request.Instance;
        void Refuse(string reason) => throw BuildAbortException.For(instance.Uuid, reason);

        ImageChecks.Check(image, instance.Flavor);
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

            if (EphemeralDisks.Refusal(disk) is { } refusal)
            {
                Refuse(refusal);
            }
        }
    }
}
