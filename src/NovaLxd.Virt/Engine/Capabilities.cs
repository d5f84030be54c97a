namespace NovaLxd.Virt.Engine;

/// <summary>Capabilities a container never has (capabilities(7)).</summary>
internal static class Capabilities
{
    /// <summary>CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_TIME, CAP_MAC_OVERRIDE, CAP_MAC_ADMIN.</summary>
    public static IReadOnlyList<int> Bounding(SecuritySpec security) => security.Privileged ? [16, 17, 25, 32, 33] : [16, 17, 25, 32, 33];
}
