using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt;

/// <summary>
/// Runs processes in namespaces; knows nothing of images, storage or bridges, which reach it as values in <see cref="LaunchSpec"/>.
/// <para>
/// A container known here has been launched and not been forgotten. Its init's end is reported once by <see cref="WatchAsync"/>; until
/// <see cref="ForgetAsync"/> it is listed with how it ended. A guest that reboots is launched again with the same spec, its network
/// interfaces carried over, without anybody's help.
/// </para>
/// </summary>
internal interface IContainerEngine
{
    /// <summary>Finds the supervisor (starting one where none runs) and what it runs. Safe to repeat.</summary>
    Task ConnectAsync(CancellationToken cancellationToken);

    /// <summary>Returns when init executes its first instruction. On failure nothing is left. Launching what runs does nothing.</summary>
    /// <exception cref="LaunchFailedException">With the step, the target and errno in words, and the console's last lines when init got that far.</exception>
    Task<EngineContainer> LaunchAsync(LaunchSpec spec, CancellationToken cancellationToken);

    /// <summary>Init's own shutdown signal, then after <paramref name="grace"/> a kill of everything in its cgroup. True: stopped by itself.</summary>
    Task<bool> StopAsync(Guid id, TimeSpan grace, CancellationToken cancellationToken);

    /// <summary>Init's own reboot signal, then after <paramref name="grace"/> a kill; either way the guest is launched again. True: it went by itself.</summary>
    Task<bool> RebootAsync(Guid id, TimeSpan grace, CancellationToken cancellationToken);

    /// <summary>
    /// Takes the guest's end of a plugged port into a running or frozen container; from now on it is one of its interfaces, also over reboots. One that is
    /// there already is left alone.
    /// </summary>
    /// <exception cref="ContainerStateException">It does not run, or the guest has another interface of that name.</exception>
    /// <exception cref="SupervisorOutdatedException">The supervisor that runs is too old for it.</exception>
    Task AttachNicAsync(Guid id, ContainerNic nic, CancellationToken cancellationToken);

    /// <summary>The interface of this port is no longer one of the container's and is left behind by its next reboot; it goes when the port is unplugged. Safe to repeat.</summary>
    Task DetachNicAsync(Guid id, Guid portId, CancellationToken cancellationToken);

    Task FreezeAsync(Guid id, CancellationToken cancellationToken);

    Task UnfreezeAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>Removes cgroups and the supervisor's record of a container that no longer runs.</summary>
    Task ForgetAsync(Guid id, CancellationToken cancellationToken);

    Task<EngineContainer?> FindAsync(Guid id, CancellationToken cancellationToken);

    Task<IReadOnlyList<EngineContainer>> ListAsync(CancellationToken cancellationToken);

    Task<ContainerUsage> GetUsageAsync(Guid id, CancellationToken cancellationToken);

    Task<ExecResult> ExecAsync(Guid id, ExecRequest request, CancellationToken cancellationToken);

    Task<byte[]> ReadConsoleLogAsync(Guid id, int maxBytes, CancellationToken cancellationToken);

    IAsyncEnumerable<ContainerEvent> WatchAsync(CancellationToken cancellationToken);
}
