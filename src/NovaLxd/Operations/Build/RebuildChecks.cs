using NovaLxd.Instances;
using NovaLxd.Outcomes;

namespace NovaLxd.Operations.Build;

/// <summary>What a rebuild asks for that cannot be given: it is refused before the guest is touched.</summary>
internal static class RebuildChecks
{
    /// <exception cref="PreserveEphemeralNotSupportedException">The ephemeral disks are to stay, which Nova offers with Ironic only.</exception>
    /// <exception cref="BuildAbortException">For any other reason.</exception>
    public static void Check(RebuildInstance.Request request)
    {
        var instance = request.Instance;
        void Refuse(string reason) => throw BuildAbortException.For(instance.Uuid, reason);

        if (request.PreserveEphemeral)
        {
            throw new PreserveEphemeralNotSupportedException();
        }

        if (request.ImageRef is null or "" || request.ReimageBootVolume)
        {
            Refuse("Volumes are not supported by this host yet: a server is rebuilt from an image, with a local root disk.");
        }

        if (request.Disks?.Any(d => d.IsVolume) == true)
        {
            Refuse("Volumes are not supported by this host yet: detach them before the rebuild.");
        }

        // Of the new image: the API has put its properties into the instance.
        FlavorChecks.Check(instance);
        if (instance.IsSet("trusted_certs") && instance.TrustedCerts is not null)
        {
            Refuse("Trusted image certificates are not supported by this host.");
        }
    }
}
