using System.Globalization;

namespace NovaLxd.Virt.Storage.Overlay;

/// <summary>What a root file system has on the host, below the folder of its container (which is shared with whoever else keeps something of it).</summary>
internal readonly record struct RootfsPaths(string Container)
{
    public const string DiskName = "disk";

    public const string RecordName = "rootfs.json";

    private const string FurtherName = "ephemeral";

    /// <summary>The disk, when it has a size.</summary>
    public string Image => Path.Combine(Container, "root.ext4");

    /// <summary>What the disk was before a change of its size that is not finished.</summary>
    public string ResizeJournal => Path.Combine(Container, "root.undo");

    /// <summary>Where the disk is mounted, or a plain folder when there is no limit.</summary>
    public string Disk => Path.Combine(Container, DiskName);

    public string Upper => Path.Combine(Disk, "upper");

    public string Work => Path.Combine(Disk, "work");

    /// <summary>The upper layer as it leaves or arrives, when it has no disk of its own.</summary>
    public string LayerArchive => Path.Combine(Container, "layer.tar");

    /// <summary>The image as it leaves or arrives.</summary>
    public string ImageArchive => Path.Combine(Container, "image.tar");

    public string Record => Path.Combine(Container, RecordName);

    /// <summary>A further disk.</summary>
    public DiskPaths FurtherDisk(int number) => new(Container, string.Create(CultureInfo.InvariantCulture, $"{FurtherName}{number}"));

    /// <summary>The numbers of those of which there is anything.</summary>
    public IReadOnlyList<int> FurtherDisks() => !Directory.Exists(Container) ? [] :
    [
        .. Directory.EnumerateFileSystemEntries(Container, FurtherName + "*")
            .Select(path => int.TryParse(Path.GetFileName(path)[FurtherName.Length..].Split('.')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1)
            .Where(number => number >= 0).Distinct().Order(),
    ];
}

/// <summary>What a further disk has there: nothing but these.</summary>
internal readonly record struct DiskPaths(string Container, string Name)
{
    /// <summary>Complete as soon as it has this name.</summary>
    public string Image => Path.Combine(Container, Name + ".ext4");

    public string Draft => Image + ".new";

    public string ResizeJournal => Path.Combine(Container, Name + ".undo");

    /// <summary>Where it is mounted.</summary>
    public string Folder => Path.Combine(Container, Name);
}
