using System.Runtime.InteropServices;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage.Archives;

namespace NovaLxd.Virt.Storage.Overlay.Layers;

/// <summary>
/// Extended attributes of a file or directory of a layer as an image has them: user.*, file capabilities and access control lists, with the guest's ids.
/// Those of overlayfs say how layers lie above each other, and are gone once they are merged; others belong to the host (security labels).
/// </summary>
internal static class LayerAttributes
{
    private const string Overlay = "trusted.overlay.";

    /// <summary>Attributes of an overlay that the guest made itself. An image must not have them (they would work in the next container's own overlay).</summary>
    private const string GuestOverlay = "user.overlay.";

    /// <param name="isOpaque">Whether a directory hides what is below it.</param>
    /// <exception cref="ContainerStateException">The layer is of a kind that is never made here and cannot be read without the kernel.</exception>
    public static IReadOnlyList<ExtendedAttribute> Read(SafeHandle file, LayerIds ids, byte[] path, out bool isOpaque)
    {
        isOpaque = false;
        List<ExtendedAttribute>? found = null;
        foreach (var name in Xattr.List(file))
        {
            if (name.StartsWith(Overlay, StringComparison.Ordinal))
            {
                isOpaque |= IsOpaque(file, name, path);
            }
            else if (Converted(file, name, ids) is { } value)
            {
                (found ??= []).Add(new ExtendedAttribute(name, value));
            }
        }

        return found ?? (IReadOnlyList<ExtendedAttribute>)[];
    }

    private static bool IsOpaque(SafeHandle file, string name, byte[] path) => name[Overlay.Length..] switch
    {
        "opaque" => Xattr.Get(file, name) is [(byte)'y'],
        "redirect" or "metacopy" => throw new ContainerStateException(
            $"{ArchiveEntry.Printable(path)} was moved or changed by an overlay with {name[Overlay.Length..]} (a parameter of the host's overlay module), of which no image can be made: "
            + "set the parameters redirect_dir and metacopy of the module to N and create the instance anew."),
        _ => false,
    };

    private static byte[]? Converted(SafeHandle file, string name, LayerIds ids)
    {
        var kept = name is Xattr.SecurityCapability or Xattr.AccessAcl or Xattr.DefaultAcl
            || (name.StartsWith("user.", StringComparison.Ordinal) && !name.StartsWith(GuestOverlay, StringComparison.Ordinal));
        return !kept || Xattr.Get(file, name) is not { } value ? null : name switch
        {
            Xattr.SecurityCapability => ids.Capability(value),
            Xattr.AccessAcl or Xattr.DefaultAcl => ids.Acl(value),
            _ => value,
        };
    }
}
