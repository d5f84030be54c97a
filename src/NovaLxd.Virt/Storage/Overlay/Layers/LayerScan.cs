using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage.Archives;

namespace NovaLxd.Virt.Storage.Overlay.Layers;

/// <summary>
/// Reads the tree of a layer, all but the content of its files, into memory: that takes microseconds for each name, during which the guest can be held. A
/// guest may have filled it, so nothing is followed, and what an image could not hold is refused by name.
/// </summary>
internal static class LayerScan
{
    /// <summary>A directory that is being read, with its path from the top.</summary>
    private readonly record struct Pending(byte[] Path, LayerNode Node);

    /// <param name="upper">The top of the layer.</param>
    /// <param name="ids">Of the container.</param>
    /// <param name="limits">What an image may have.</param>
    /// <param name="data">Gets the content of the files; null: it is read later.</param>
    /// <param name="changing">Whether somebody writes meanwhile: what goes away while one looks at it is passed over, as the result is not kept.</param>
    /// <exception cref="ContainerStateException">No image can be made of it; the message says why.</exception>
    public static LayerNode Read(
        DirectoryHandle upper, LayerIds ids, UnpackLimits limits, LayerData? data, bool changing, CancellationToken cancellationToken)
    {
        var top = new LayerNode(FileStatus.Of(upper));
        var pending = new Stack<Pending>([new([], top)]);
        var entries = 0;
        long nameBytes = 0;
        while (pending.TryPop(out var current))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var directory = Open(upper, current.Path, changing);
            if (directory is null)
            {
                continue;
            }

            current.Node.Attributes = LayerAttributes.Read(directory, ids, current.Path, out var isOpaque);
            current.Node.IsOpaque = isOpaque;
            var children = new List<(byte[] Name, LayerNode Node)>();
            foreach (var entry in directory.ReadEntries())
            {
                var path = current.Path.Length == 0 ? entry.Name : [.. current.Path, (byte)'/', .. entry.Name];
                nameBytes += path.Length;
                Check(path, entry.Name, ++entries, nameBytes, limits);
                if (TryRead(directory, entry.Name, path, ids, data, changing) is { } node)
                {
                    children.Add((entry.Name, node));
                    if (node.Status.IsDirectory)
                    {
                        pending.Push(new(path, node));
                    }
                }
            }

            current.Node.Children = children.Count == 0 ? null : children;
        }

        return top;
    }

    private static DirectoryHandle? Open(DirectoryHandle top, byte[] path, bool changing)
    {
        try
        {
            return (path.Length == 0 ? top.OpenChild("."u8) : top.OpenBeneath(path))
                ?? (changing ? null : throw new KernelException(Errno.ENOENT, "openat2", DirectoryHandle.Text(path)));
        }
        catch (KernelException e) when (changing && IsGone(e))
        {
            return null;
        }
    }

    private static LayerNode? TryRead(
        DirectoryHandle directory, byte[] name, byte[] path, LayerIds ids, LayerData? data, bool changing)
    {
        try
        {
            if (directory.Stat(name) is not { } status)
            {
                return changing ? null : throw new KernelException(Errno.ENOENT, "fstatat", DirectoryHandle.Text(path));
            }

            if (status.IsRegularFile)
            {
                if (data?.Find(status) is { } known)
                {
                    return new LayerNode(status) { Attributes = known };
                }

                using var file = directory.OpenFile(name);
                var attributes = LayerAttributes.Read(file, ids, path, out _);
                data?.Copy(file, attributes);
                return new LayerNode(status) { Attributes = attributes };
            }

            return new LayerNode(status) { LinkTarget = status.IsSymbolicLink ? directory.ReadSymbolicLink(name) : [] };
        }
        catch (KernelException e) when (changing && IsGone(e))
        {
            return null;
        }
    }

    /// <summary>It went away, or became something else.</summary>
    private static bool IsGone(KernelException e) => e.Errno is Errno.ENOENT or Errno.ENOTDIR or Errno.ELOOP or Errno.EINVAL or Errno.ENXIO;

    private static void Check(byte[] path, byte[] name, int entries, long nameBytes, UnpackLimits limits)
    {
        if (entries > limits.MaxEntries || nameBytes > limits.MaxNameBytes)
        {
            throw new ContainerStateException(
                $"No image can be made of the instance: it has more than {limits.MaxEntries} files of its own, or their paths take more than {limits.MaxNameBytes} bytes.");
        }

        var why = path.Length > DirectoryHandle.MaxPathLength ? $"has a path of more than {DirectoryHandle.MaxPathLength} bytes"
            : name.AsSpan().StartsWith(".wh."u8) ? "has a name that marks a deleted file in images of other containers"
            : null;
        if (why is not null)
        {
            throw new ContainerStateException($"No image can be made of the instance: {ArchiveEntry.Printable(path)} {why}. Rename it in the guest.");
        }
    }
}
