using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Host;
using NovaLxd.Virt.Network;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt;

/// <summary>The parts of this layer.</summary>
public static class VirtServices
{
    /// <summary>
    /// Adds <see cref="IContainerDriver"/>, <see cref="IGuestAccess"/> and <see cref="IContainerTransfers"/>, one object behind them. <see cref="VirtOptions"/> and logging have to be
    /// there; nothing is touched on the host before <see cref="IContainerDriver.InitializeAsync"/>.
    /// </summary>
    public static IServiceCollection AddVirt(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<IContainerEngine, ContainerEngine>();
        services.AddSingleton(parts => StorageBackends.Create(
            parts.GetRequiredService<VirtOptions>(), parts.GetRequiredService<TimeProvider>(), parts.GetRequiredService<ILoggerFactory>()));
        services.AddSingleton<IPortPlug, PortPlugs>();
        services.AddSingleton(MakeDriver);
        services.AddSingleton<IContainerDriver>(parts => parts.GetRequiredService<ContainerDriver>());
        services.AddSingleton<IGuestAccess>(parts => parts.GetRequiredService<ContainerDriver>());
        services.AddSingleton<IContainerTransfers>(parts => parts.GetRequiredService<ContainerDriver>().Transfers);
        return services;
    }

    private static ContainerDriver MakeDriver(IServiceProvider parts)
    {
        var options = parts.GetRequiredService<VirtOptions>();
        return new ContainerDriver(
            options,
            parts.GetRequiredService<IContainerEngine>(),
            parts.GetRequiredService<IStorageBackend>(),
            parts.GetRequiredService<IPortPlug>(),
            new HostInspector(options, () => Cgroups.Cgroups.Detect(Nearest(options.StateDirectory)), "/", Environment.IsPrivilegedProcess),
            new IdRanges(options.IdMapBase, options.IdMapSize, IdRanges.HostFiles),
            PortStatistics.Read,
            ConsoleRing.ReadTail,
            parts.GetRequiredService<TimeProvider>(),
            parts.GetRequiredService<ILogger<ContainerDriver>>());
    }

    /// <summary>The folder itself, or the nearest above it that is there already: it will be on the same disk.</summary>
    private static string Nearest(string folder)
    {
        var nearest = Path.GetFullPath(folder);
        while (!Directory.Exists(nearest))
        {
            nearest = Path.GetDirectoryName(nearest)!;
        }

        return nearest;
    }
}
