using System.Text;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Storage.Overlay;

/// <summary>
/// Puts files into an upper layer so that they appear at their paths in the merged root. Symbolic links of the image on the way are followed as
/// the container will follow them, inside its root; a link at the end is replaced by the file. Folders on the way become copies of the image's.
/// </summary>
internal static class InjectedFiles
{
    /// <summary>As many links as the kernel follows (path_resolution(7)).</summary>
    private const int MaxLinks = 40;

    private const uint DefaultFolderMode = 0x1ED; // 0755

    /// <param name="image">Root of the lower layer.</param>
    /// <param name="upper">Root of the upper layer, not mounted in any overlay yet.</param>
    /// <param name="files">What to write; of two with one path the later stays.</param>
    /// <param name="firstId">Host id of the container's root; ids of the image are shifted by it.</param>
    /// <exception cref="ArgumentException">A path that is not absolute, or names a folder of the image.</exception>
    public static void Write(DirectoryHandle image, DirectoryHandle upper, IReadOnlyList<InjectedFile> files, uint firstId)
    {
        foreach (var file in files)
        {
            if (file.UnlessThere is not { } others || !others.Prepend(file.Path).Any(path => IsThere(image, path)))
            {
                Write(image, upper, file, firstId);
            }
        }
    }

    /// <summary>Whether the image has something at a path, be it a link that leads nowhere; or cannot have anything there, which is left alone too.</summary>
    private static bool IsThere(DirectoryHandle image, string path)
    {
        try
        {
            var resolved = Resolve(image, path);
            using var folder = OpenIn(image, resolved[..^1]);
            return folder?.Stat(resolved[^1]) is not null;
        }
        catch (ArgumentException)
        {
            return true;
        }
    }

    private static void Write(DirectoryHandle image, DirectoryHandle upper, InjectedFile file, uint firstId)
    {
        var path = Resolve(image, file.Path);
        var parents = path[..^1];
        var name = path[^1];
        using (var below = OpenIn(image, parents))
        {
            if (below?.Stat(name) is { IsDirectory: true })
            {
                throw new ArgumentException($"File {file.Path} cannot be injected: the image has a folder there.");
            }
        }

        using var folder = MakeFolders(image, upper, parents, firstId);
        if (folder.Stat(name) is not null)
        {
            folder.Unlink(name);
        }

        using var created = folder.CreateFile(name, 0x180);
        FileData.Write(created, file.Content, 0);
        FileMetadata.SetOwnerAndMode(created, firstId, firstId, (uint)file.Mode & FileStatus.PermissionMask);
    }

    /// <summary>The components of a path as they are once every link before the last component has been followed.</summary>
    private static byte[][] Resolve(DirectoryHandle image, string path)
    {
        if (!path.StartsWith('/') || path.EndsWith('/') || path.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException($"File \"{path}\" cannot be injected: its path must be absolute and name a file.");
        }

        var resolved = new List<byte[]>();
        var pending = new Stack<byte[]>();
        Push(pending, Encoding.UTF8.GetBytes(path));
        for (var links = 0; pending.TryPop(out var component);)
        {
            if (component.AsSpan().SequenceEqual(".."u8))
            {
                resolved.RemoveRange(Math.Max(0, resolved.Count - 1), Math.Min(1, resolved.Count));
                continue;
            }

            using var folder = pending.Count == 0 ? null : OpenIn(image, resolved);
            var status = folder?.Stat(component);
            if (status is { IsSymbolicLink: true })
            {
                var target = folder!.ReadSymbolicLink(component);
                if (++links > MaxLinks)
                {
                    throw new ArgumentException($"File {path} cannot be injected: too many symbolic links in the image.");
                }

                if (target is [(byte)'/', ..])
                {
                    resolved.Clear();
                }

                Push(pending, target);
                continue;
            }

            resolved.Add(status is null or { IsDirectory: true }
                ? component
                : throw new ArgumentException($"File {path} cannot be injected: {Encoding.UTF8.GetString(component)} is no folder in the image."));
        }

        return resolved.Count > 0 && !path.EndsWith("/..", StringComparison.Ordinal)
            ? [.. resolved]
            : throw new ArgumentException($"File \"{path}\" cannot be injected: its path must name a file.");
    }

    private static void Push(Stack<byte[]> pending, ReadOnlySpan<byte> path)
    {
        var components = new List<byte[]>();
        foreach (var range in path.Split((byte)'/'))
        {
            if (path[range] is not ([] or [(byte)'.']))
            {
                components.Add(path[range].ToArray());
            }
        }

        components.Reverse();
        components.ForEach(pending.Push);
    }

    private static DirectoryHandle? OpenIn(DirectoryHandle root, IReadOnlyList<byte[]> components) =>
        components.Count == 0 ? root.OpenChild("."u8) : root.OpenBeneath(components.Aggregate((path, next) => [.. path, (byte)'/', .. next]));

    private static DirectoryHandle MakeFolders(DirectoryHandle image, DirectoryHandle upper, byte[][] components, uint firstId)
    {
        var current = upper.OpenChild("."u8);
        for (var depth = 0; depth < components.Length; depth++)
        {
            using var above = current;
            if (above.Stat(components[depth]) is null)
            {
                above.MakeDirectory(components[depth], 0x1C0);
                current = above.OpenChild(components[depth]);
                using var original = OpenIn(image, components[..(depth + 1)]);
                CopyOwnerAndMode(original, current, firstId);
            }
            else
            {
                current = above.OpenChild(components[depth]);
            }
        }

        return current;
    }

    /// <summary>Gives a folder of the upper layer owner and permissions of the image's, shifted to the ids of the container.</summary>
    public static void CopyOwnerAndMode(DirectoryHandle? original, DirectoryHandle copy, uint firstId)
    {
        if (original is null)
        {
            FileMetadata.SetOwnerAndMode(copy, firstId, firstId, DefaultFolderMode);
            return;
        }

        var status = FileStatus.Of(original);
        FileMetadata.SetOwnerAndMode(copy, firstId + status.UserId, firstId + status.GroupId, status.Permissions);
    }
}
