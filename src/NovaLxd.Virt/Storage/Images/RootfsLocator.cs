using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Storage.Images;

/// <summary>Where in an unpacked archive the root file system is.</summary>
internal static class RootfsLocator
{
    /// <summary>
    /// Path of the root below the folder unpacked to ("" for the folder itself): the folder, "rootfs" beside "metadata.yaml" (LXD's unified image), or either
    /// of them inside a single folder that wraps everything.
    /// </summary>
    /// <exception cref="ImageRejectedException">Nowhere is a /bin, /sbin or /usr.</exception>
    public static byte[] Locate(DirectoryHandle unpacked)
    {
        using var self = unpacked.OpenChild("."u8);
        var entries = self.ReadEntries();
        if (LocateIn(unpacked) is { } found)
        {
            return found;
        }

        if (entries is [var only] && unpacked.Stat(only.Name) is { IsDirectory: true })
        {
            using var inner = unpacked.OpenChild(only.Name);
            if (LocateIn(inner) is { } wrapped)
            {
                return wrapped.Length == 0 ? only.Name : [.. only.Name, (byte)'/', .. wrapped];
            }
        }

        throw new ImageRejectedException("The image is no root file system: it has neither /bin nor /sbin nor /usr.");
    }

    private static byte[]? LocateIn(DirectoryHandle folder)
    {
        if (IsRoot(folder))
        {
            return [];
        }

        if (folder.Stat("metadata.yaml"u8) is not null && folder.Stat("rootfs"u8) is { IsDirectory: true })
        {
            using var rootfs = folder.OpenChild("rootfs"u8);
            return IsRoot(rootfs) ? "rootfs"u8.ToArray() : null;
        }

        return null;
    }

    private static bool IsRoot(DirectoryHandle folder) =>
        folder.Stat("bin"u8) is not null || folder.Stat("sbin"u8) is not null || folder.Stat("usr"u8) is not null;
}
