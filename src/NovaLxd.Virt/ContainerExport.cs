namespace NovaLxd.Virt;

/// <summary>
/// The root file system of a container as it was at one instant, as a new image: what has changed since is not in it, and the container may be gone by now.
/// Disposing it removes what was kept for it on the host.
/// </summary>
/// <param name="content">Read once, to the end or not.</param>
/// <param name="dispose">Removes what was kept.</param>
public sealed class ContainerExport(Stream content, long unpackedBytes, TimeSpan frozen, Func<ValueTask> dispose) : IAsyncDisposable
{
    /// <summary>A compressed tar archive with ids from 0 on, that <see cref="IContainerDriver.ImportImageAsync"/> takes on any host. Made while it is read.</summary>
    public Stream Content { get; } = content;

    /// <summary>Bytes an import of it takes: the least size of a root disk for it.</summary>
    public long UnpackedBytes { get; } = unpackedBytes;

    /// <summary>How long the guest stood still for it; zero when it did not run.</summary>
    public TimeSpan Frozen { get; } = frozen;

    public ValueTask DisposeAsync() => dispose();
}
