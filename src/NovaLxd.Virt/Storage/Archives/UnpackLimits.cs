namespace NovaLxd.Virt.Storage.Archives;

/// <summary>What an archive may take on disk. Each directory counts 4096 bytes, each file whole blocks of 4096.</summary>
/// <param name="MaxBytes">Most bytes in all.</param>
/// <param name="MaxEntries">Most files, directories and links.</param>
/// <param name="MaxNameBytes">Most bytes all paths may have together; some are kept in memory until the end.</param>
internal sealed record UnpackLimits(long MaxBytes, int MaxEntries = 1_000_000, long MaxNameBytes = 128 << 20);

/// <summary>What came of unpacking: how much is on disk, and what was left out.</summary>
internal sealed record UnpackResult
{
    public long Bytes { get; set; }

    public int Entries { get; set; }

    /// <summary>Device nodes and sockets: a container gets its devices from the engine.</summary>
    public int SkippedNodes { get; set; }

    /// <summary>Extended attributes of other kinds than user.*, security.capability and access control lists.</summary>
    public int SkippedAttributes { get; set; }
}
