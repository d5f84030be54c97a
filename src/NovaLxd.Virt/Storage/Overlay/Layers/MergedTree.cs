using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Storage.Overlay.Layers;

/// <summary>
/// The root as the guest sees it: the image with the instance's own layer above, by the rules of overlayfs (kernel: Documentation/filesystems/overlayfs.rst).
/// A whiteout hides the image's name, an opaque directory all the image's names in it, a directory of both is one, anything else of the upper layer wins. The
/// kernel is not asked to merge, because the upper layer is data in memory by then, and the guest has long gone on.
/// </summary>
internal sealed class MergedTree(DirectoryHandle image, LayerNode upper)
{
    /// <summary>What the engine mounts over: whatever an image or a guest has below belongs to no image.</summary>
    private static readonly string[] _mountPoints = ["proc", "sys", "dev"];

    private static readonly Comparer<byte[]> _byName = Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b));

    /// <summary>Every name once, a directory before what is in it, in the order of the names: equal roots give equal archives.</summary>
    public IEnumerable<MergedEntry> Walk()
    {
        var root = new MergedEntry([], upper.Status, upper, !upper.IsOpaque);
        yield return root;
        var levels = new Stack<IEnumerator<MergedEntry>>([Children(root).GetEnumerator()]);
        while (levels.TryPeek(out var level))
        {
            if (!level.MoveNext())
            {
                levels.Pop();
                continue;
            }

            var current = level.Current;
            yield return current;
            if (current.Status.IsDirectory && !(levels.Count == 1 && _mountPoints.Contains(DirectoryHandle.Text(current.Path))))
            {
                levels.Push(Children(current).GetEnumerator());
            }
        }
    }

    private IReadOnlyList<MergedEntry> Children(MergedEntry parent)
    {
        var found = new SortedDictionary<byte[], MergedEntry?>(_byName);
        if (parent.ShowsImage)
        {
            AddOfImage(parent, found);
        }

        foreach (var (name, node) in parent.Upper?.Children ?? [])
        {
            // A null holds the place of what is deleted.
            var below = found.GetValueOrDefault(name);
            found[name] = node.IsWhiteout ? null
                : new MergedEntry(PathOf(parent, name), node.Status, node, node.Status.IsDirectory && !node.IsOpaque && below is { Status.IsDirectory: true });
        }

        return [.. found.Values.OfType<MergedEntry>()];
    }

    private void AddOfImage(MergedEntry parent, SortedDictionary<byte[], MergedEntry?> found)
    {
        using var directory = parent.Path.Length == 0 ? image.OpenChild("."u8) : image.OpenBeneath(parent.Path);
        foreach (var entry in directory?.ReadEntries() ?? [])
        {
            if (directory!.Stat(entry.Name) is { } status)
            {
                found[entry.Name] = new MergedEntry(PathOf(parent, entry.Name), status, null, status.IsDirectory);
            }
        }
    }

    private static byte[] PathOf(MergedEntry parent, byte[] name) => parent.Path.Length == 0 ? name : [.. parent.Path, (byte)'/', .. name];
}
