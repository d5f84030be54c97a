namespace NovaLxd.Virt.Storage.Overlay;

/// <summary>What a root file system has on the host, below the folder of its container (which is shared with whoever else keeps something of it).</summary>
internal readonly record struct RootfsPaths(string Container)
{
    public const string DiskName = "disk";

    public const string RecordName = "rootfs.json";

    /// <summary>The disk, when it has a size.</summary>
    public string Image => Path.Combine(Container, "root.ext4");

    /// <summary>What the disk was before a change of its size that is not finished.</summary>
    public string ResizeJournal => Path.Combine(Container, "root.undo");

    /// <summary>Where the disk is mounted, or a plain folder when there is no limit.</summary>
    public string Disk => Path.Combine(Container, DiskName);

    public string Upper => Path.Combine(Disk, "upper");

    public string Work => Path.Combine(Disk, "work");

    public string Record => Path.Combine(Container, RecordName);
}
