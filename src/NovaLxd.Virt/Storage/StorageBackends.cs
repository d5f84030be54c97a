using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Storage.Overlay;

namespace NovaLxd.Virt.Storage;

/// <summary>The storage backend an option names.</summary>
internal static class StorageBackends
{
    /// <exception cref="HostUnsuitableException">The option names none.</exception>
    public static IStorageBackend Create(VirtOptions options, TimeProvider time, ILoggerFactory loggers) => options.StorageBackend switch
    {
        "overlay" => new OverlayBackend(options.StateDirectory, time, loggers.CreateLogger<OverlayBackend>()),
        var other => throw new HostUnsuitableException($"Storage backend '{other}' is not known: set the one in section [lxd] to overlay."),
    };
}
