using System.Globalization;
using System.Text;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Storage;

/// <summary>Walks trees that strangers filled: by directory handles, never through a link, with a bounded number of them open however deep the tree is.</summary>
internal static class DirectoryTree
{
    /// <summary>Handles open at once on the way down.</summary>
    private const int MaxDepth = 64;

    /// <summary>Deletes a directory or file and all below it; nothing when it is not there.</summary>
    public static void Delete(string path)
    {
        var parentPath = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(parentPath))
        {
            return;
        }

        using var parent = DirectoryHandle.Open(parentPath);
        var name = Encoding.UTF8.GetBytes(Path.GetFileName(path));
        if (parent.Stat(name) is not { } status)
        {
            return;
        }

        if (!status.IsDirectory)
        {
            parent.Unlink(name);
            return;
        }

        using var top = parent.OpenChild(name);
        var deep = 0;
        DeleteContent(top, top, 1, ref deep);

        // What lay too deep was moved up to here meanwhile; what it hides still deeper follows in the next round.
        while (deep > 0)
        {
            deep = 0;
            using var again = parent.OpenChild(name);
            DeleteContent(again, again, 1, ref deep);
        }

        parent.RemoveDirectory(name);
    }

    /// <summary>Bytes allocated for everything below a directory; a file with several names is counted for each.</summary>
    public static long AllocatedBytes(DirectoryHandle directory)
    {
        // Iterative with paths relative to the top, as depth is the guest's choice and must not be ours.
        long blocks = 0;
        var pending = new Stack<byte[]>([[]]);
        while (pending.TryPop(out var path))
        {
            using var current = path.Length == 0 ? directory.OpenChild("."u8) : OpenOrSkip(directory, path);
            foreach (var entry in current?.ReadEntries() ?? [])
            {
                var status = current!.Stat(entry.Name);
                blocks += status?.Blocks ?? 0;
                if (status is { IsDirectory: true })
                {
                    pending.Push(path.Length == 0 ? entry.Name : [.. path, (byte)'/', .. entry.Name]);
                }
            }
        }

        return blocks * 512;
    }

    /// <summary>Null when the directory is gone by now, or lies deeper than a path can say.</summary>
    private static DirectoryHandle? OpenOrSkip(DirectoryHandle top, byte[] path)
    {
        try
        {
            return top.OpenBeneath(path);
        }
        catch (KernelException e) when (e.Errno is Errno.ENOTDIR or Errno.ELOOP or Errno.ENAMETOOLONG)
        {
            return null;
        }
    }

    private static void DeleteContent(DirectoryHandle top, DirectoryHandle directory, int depth, ref int deep)
    {
        foreach (var entry in directory.ReadEntries())
        {
            var isDirectory = entry.Type == DirectoryEntry.TypeUnknown
                ? directory.Stat(entry.Name) is { IsDirectory: true }
                : entry.Type == DirectoryEntry.TypeDirectory;
            if (!isDirectory)
            {
                directory.Unlink(entry.Name);
            }
            else if (depth >= MaxDepth)
            {
                MoveUp(directory, entry.Name, top, ++deep);
            }
            else
            {
                using (var child = directory.OpenChild(entry.Name))
                {
                    DeleteContent(top, child, depth + 1, ref deep);
                }

                directory.RemoveDirectory(entry.Name);
            }
        }
    }

    private static void MoveUp(DirectoryHandle directory, byte[] name, DirectoryHandle top, int number)
    {
        var target = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $".deep-{number}-{Guid.NewGuid():N}"));
        directory.Rename(name, top, target);
    }
}
