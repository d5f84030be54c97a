namespace NovaLxd.Virt;

/// <summary>
/// The life of system containers on this host: the whole public surface of this layer, together with <see cref="IGuestAccess"/>.
/// <para>
/// Vocabulary. An <i>image</i> is a root file system imported once under a content key and shared read-only by every container made from it.
/// A <i>container</i> is a record, a root file system of its own above an image, and, while it runs, a tree of processes. A <i>port</i> is a
/// network interface promised by the control plane; plugging it makes the host side, starting the container moves the guest side in.
/// </para>
/// <para>
/// Life. ImportImage, Create (stopped), SetPorts (host side plugged), Start, [Freeze, Unfreeze, Reboot, AttachPort, DetachPort], Stop, [Start ...], Delete.
/// Create fails when the container exists. Start of a running container, Stop of a stopped one, Freeze of a frozen one, SetPorts with the
/// same ports and Delete of what is not there do nothing: a caller that died half way repeats the call. A method that fails leaves what was
/// there before it. Calls for one container are serialised here; calls for different containers run side by side.
/// </para>
/// <para>
/// Errors: <see cref="ContainerNotFoundException"/>, <see cref="ContainerExistsException"/>, <see cref="ImageRejectedException"/>,
/// <see cref="OutOfSpaceException"/>, <see cref="LaunchFailedException"/>, <see cref="PortPlugException"/>, and
/// <see cref="Kernel.KernelException"/> or <see cref="Processes.CommandFailedException"/> for what nobody foresaw.
/// </para>
/// </summary>
public interface IContainerDriver
{
    /// <summary>Checks the host, connects to the supervisor and finds the containers of earlier runs. Called once, before anything else.</summary>
    /// <exception cref="HostUnsuitableException">The host lacks something; the message says what and what to do.</exception>
    Task InitializeAsync(CancellationToken cancellationToken);

    /// <summary>Capacity, usage and abilities of the host as they are now.</summary>
    Task<HostDescription> DescribeHostAsync(CancellationToken cancellationToken);

    /// <summary>The imported image under this content key, or null.</summary>
    Task<ImageInfo?> FindImageAsync(string key, CancellationToken cancellationToken);

    Task<IReadOnlyList<ImageInfo>> ListImagesAsync(CancellationToken cancellationToken);

    /// <summary>Reads, recognises by content, checks and unpacks an image once; concurrent imports of one key wait for the first.</summary>
    Task<ImageInfo> ImportImageAsync(ImageImport import, CancellationToken cancellationToken);

    /// <summary>Deletes an image that no container uses; false when one does.</summary>
    Task<bool> DeleteImageAsync(string key, CancellationToken cancellationToken);

    Task CreateAsync(ContainerSpec spec, CancellationToken cancellationToken);

    /// <summary>
    /// Makes the host side of exactly these ports, in this order (eth0 first, but a port that the container had keeps the name it has inside); ports no longer
    /// named are unplugged. A container that runs is given the ports it lacks and keeps the others: only <see cref="DetachPortAsync"/> takes one from a guest.
    /// </summary>
    Task SetPortsAsync(Guid id, IReadOnlyList<PortSpec> ports, CancellationToken cancellationToken);

    /// <summary>One port more, after the others. A guest that runs, or is frozen, has the interface when this returns, down and without addresses.</summary>
    Task AttachPortAsync(Guid id, PortSpec port, CancellationToken cancellationToken);

    /// <summary>Takes a port from the container, and from its guest if that runs. The others keep their names. False: the container has no such port.</summary>
    Task<bool> DetachPortAsync(Guid id, Guid portId, CancellationToken cancellationToken);

    /// <summary>Returns when init runs its first instruction.</summary>
    Task StartAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>
    /// Asks init to shut down by its own signal and kills what is left after <paramref name="grace"/> (zero: kill at once). Returns when no
    /// process is left and the ports are unplugged. True when the guest stopped by itself in time.
    /// </summary>
    Task<bool> StopAsync(Guid id, TimeSpan grace, CancellationToken cancellationToken);

    /// <summary>
    /// Asks init to reboot; a guest that has not gone within <paramref name="grace"/> (zero: at once) is killed and launched again all the same. Returns
    /// when the new init runs, with the ports and limits the container had. False: it was killed.
    /// </summary>
    Task<bool> RebootAsync(Guid id, TimeSpan grace, CancellationToken cancellationToken);

    /// <summary>
    /// A stopped container boots a fresh root above another image from its next start on, until <see cref="UnrescueAsync"/>, and has its own at
    /// /mnt/instance: same name, ids, ports and limits. When it was rescued before, what was changed in that root is lost.
    /// </summary>
    /// <exception cref="ContainerStateException">It runs.</exception>
    Task RescueAsync(Guid id, string imageKey, CancellationToken cancellationToken);

    /// <summary>A stopped container boots its own root again, and the other is gone. Nothing is done to one that is not rescued.</summary>
    /// <exception cref="ContainerStateException">It runs, rescued.</exception>
    Task UnrescueAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>
    /// Gives a stopped container another size; limits hold from its next start on. A disk with a limit may be made larger, and smaller as far as what is
    /// on it fits. A disk that is no longer named is gone with its next start. Nothing is done to one that has the size.
    /// </summary>
    /// <exception cref="ContainerStateException">It runs, or cannot have this size; the message says why.</exception>
    Task ResizeAsync(Guid id, ContainerSize size, CancellationToken cancellationToken);

    Task FreezeAsync(Guid id, CancellationToken cancellationToken);

    Task UnfreezeAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>
    /// Takes the root file system as it is at one instant, for a new image. A guest that runs is frozen for that instant and goes on; one that is stopped or
    /// frozen stays so. Deleting the container meanwhile ends it with <see cref="ContainerNotFoundException"/>.
    /// </summary>
    Task<ContainerExport> ExportAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>Kills, unplugs and removes everything the container had on this host.</summary>
    Task DeleteAsync(Guid id, CancellationToken cancellationToken);

    Task<ContainerInfo?> FindAsync(Guid id, CancellationToken cancellationToken);

    Task<IReadOnlyList<ContainerInfo>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Counters of a container; of a stopped one only its disk.</summary>
    Task<ContainerUsage> GetUsageAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>State changes that nobody asked for here (init exited, the guest rebooted) and those that were; from now on, until cancelled.</summary>
    IAsyncEnumerable<ContainerEvent> WatchAsync(CancellationToken cancellationToken);
}

/// <summary>What goes on inside a container.</summary>
public interface IGuestAccess
{
    /// <summary>The newest <paramref name="maxBytes"/> of what the guest wrote to its console, also after it stopped.</summary>
    Task<byte[]> ReadConsoleLogAsync(Guid id, int maxBytes, CancellationToken cancellationToken);

    /// <summary>Runs a command as the container's root (or <see cref="ExecRequest.UserId"/>) in all its namespaces and cgroups.</summary>
    Task<ExecResult> ExecAsync(Guid id, ExecRequest request, CancellationToken cancellationToken);
}
