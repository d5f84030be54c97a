using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage.Archives;

namespace NovaLxd.Virt.Storage.Overlay.Layers;

/// <summary>A name in an instance's own layer, as it was at one instant.</summary>
internal sealed class LayerNode(FileStatus status)
{
    public FileStatus Status { get; } = status;

    public byte[] LinkTarget { get; init; } = [];

    public IReadOnlyList<ExtendedAttribute> Attributes { get; set; } = [];

    /// <summary>A directory that hides what the image has under its name.</summary>
    public bool IsOpaque { get; set; }

    /// <summary>Of a directory; null: there are none.</summary>
    public List<(byte[] Name, LayerNode Node)>? Children { get; set; }

    /// <summary>The image's file of that name is deleted: overlayfs marks it by a character device 0, 0.</summary>
    public bool IsWhiteout => Status is { Type: FileStatus.CharacterDevice, Node: 0 };
}
