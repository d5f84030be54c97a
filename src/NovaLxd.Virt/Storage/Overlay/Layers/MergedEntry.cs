using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Storage.Overlay.Layers;

/// <summary>A name in the root as the guest sees it, and where it comes from.</summary>
/// <param name="Path">From the root; empty for the root itself.</param>
/// <param name="Status">With the ids of its layer.</param>
/// <param name="Upper">In the instance's own layer; null: it is the image's.</param>
/// <param name="ShowsImage">Of a directory: names that the image has in it show through.</param>
internal sealed record MergedEntry(byte[] Path, FileStatus Status, LayerNode? Upper, bool ShowsImage)
{
    private int Slash => Path.AsSpan().LastIndexOf((byte)'/');

    public byte[] Parent => Slash < 0 ? [] : Path[..Slash];

    public byte[] Name => Path[(Slash + 1)..];

    /// <summary>The file behind the name: names with the same one are hard links.</summary>
    public (bool IsUpper, ulong Inode) File => (Upper is not null, Status.Inode);
}
