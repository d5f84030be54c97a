namespace NovaLxd.Virt;

/// <summary>What of a container may become another: how large it is, and how far it is confined. The fields are <see cref="ContainerSpec"/>'s.</summary>
public sealed record ContainerSize
{
    public long? RootDiskBytes { get; init; }

    public IReadOnlyList<DiskSpec> Disks { get; init; } = [];

    public ResourceLimits Limits { get; init; } = new();

    public SecuritySpec Security { get; init; } = new();
}
