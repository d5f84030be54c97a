using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Storage.Archives;

/// <summary>
/// The path of a member as seen from the image's root, checked component by component. A leading "/" means that root, as tar(1) takes it; ".." is
/// refused wherever it stands, because no archiver writes it.
/// </summary>
internal readonly record struct MemberPath(byte[] Parent, byte[] Name)
{
    /// <summary>The root itself ("./").</summary>
    public bool IsRoot => Name.Length == 0;

    public byte[] Full => Parent.Length == 0 ? Name : [.. Parent, (byte)'/', .. Name];

    /// <exception cref="ImageRejectedException"/>
    public static MemberPath Parse(ReadOnlySpan<byte> path)
    {
        if (path.Length > DirectoryHandle.MaxPathLength)
        {
            throw Rejected(path, $"is longer than {DirectoryHandle.MaxPathLength} bytes");
        }

        if (path.Contains((byte)0))
        {
            throw Rejected(path, "contains a zero byte");
        }

        var clean = new List<byte>(path.Length);
        var name = 0;
        foreach (var range in path.Split((byte)'/'))
        {
            var component = path[range];
            if (component.IsEmpty || component.SequenceEqual("."u8))
            {
                continue;
            }

            if (component.SequenceEqual(".."u8))
            {
                throw Rejected(path, "leads out of the image by \"..\"");
            }

            if (component.Length > DirectoryHandle.MaxNameLength)
            {
                throw Rejected(path, $"has a name of more than {DirectoryHandle.MaxNameLength} bytes");
            }

            if (component.StartsWith(".wh."u8))
            {
                throw Rejected(path, "is a whiteout: this is one layer of a container image and no root file system");
            }

            if (clean.Count > 0)
            {
                clean.Add((byte)'/');
            }

            name = clean.Count;
            clean.AddRange(component);
        }

        var whole = clean.ToArray();
        return new MemberPath(name == 0 ? [] : whole[..(name - 1)], whole[name..]);
    }

    public static ImageRejectedException Rejected(ReadOnlySpan<byte> path, string why) =>
        new($"The image is refused: member {ArchiveEntry.Printable(path)} {why}.");
}
