using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage.Archives;

namespace NovaLxd.Virt.Storage.Overlay.Layers;

/// <summary>
/// Copies of the files of a layer, by inode number, for hosts that cannot share the blocks of a whole disk. They are made while the guest runs, and made
/// again for those that it changed meanwhile; when it is held at last, only what it changed since the last round is left to copy.
/// <para>
/// A file has not changed when its change time, which nobody can set, is that of the copy, and lies before the round began: the kernel's clock for it
/// ticks some milliseconds wide. Pages that a guest writes by mmap(2) are noticed too, as every round begins with a sync: after it, the first write to
/// a page is a change of the file's time.
/// </para>
/// </summary>
internal sealed class LayerData(string folder, TimeProvider time, CancellationToken cancellationToken) : IDisposable
{
    /// <summary>More than the kernel's clock may lag behind ours.</summary>
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    private readonly DirectoryHandle _folder = DirectoryHandle.Open(folder);
    private readonly Dictionary<ulong, Copied> _copies = [];
    private (long, long) _settled;

    /// <summary>A file as it was copied. <paramref name="Changed"/> is nought when it may change once more without getting another time.</summary>
    private readonly record struct Copied((long, long) Changed, long Size, IReadOnlyList<ExtendedAttribute> Attributes);

    /// <summary>Bytes copied since the round began.</summary>
    public long CopiedBytes { get; private set; }

    /// <summary>From here on a copy is good for later rounds if the file was last changed before now.</summary>
    /// <param name="layer">A directory of the layer's file system.</param>
    public void BeginRound(DirectoryHandle layer)
    {
        var begun = time.GetUtcNow() - Tick;
        layer.SyncFileSystem();
        _settled = (begun.ToUnixTimeSeconds(), 0);
        CopiedBytes = 0;
    }

    /// <summary>The last round: nobody writes any more, so every copy is good.</summary>
    public void BeginLastRound()
    {
        _settled = (long.MaxValue, 0);
        CopiedBytes = 0;
    }

    /// <summary>
    /// Attributes of a file that is copied as it is: they change no more than its content does. So a file that nobody touches costs no more than a look at its
    /// name while the guest is held. Null: it has to be copied.
    /// </summary>
    public IReadOnlyList<ExtendedAttribute>? Find(FileStatus seen) =>
        _copies.TryGetValue(seen.Inode, out var copy) && (copy.Changed, copy.Size) == (seen.Changed, seen.Size) ? copy.Attributes : null;

    /// <summary>Copies a file.</summary>
    /// <param name="source">The file, open.</param>
    /// <param name="attributes">As they were read from it.</param>
    public void Copy(SafeFileHandle source, IReadOnlyList<ExtendedAttribute> attributes)
    {
        var status = FileStatus.Of(source);
        if (!status.IsRegularFile)
        {
            return; // Another has its name by now, and the next round sees it.
        }

        var target = NameOf(status.Inode);
        if (_copies.Remove(status.Inode, out var former) && former.Size > 0)
        {
            _folder.Unlink(target);
        }

        _copies[status.Inode] = new Copied(default, status.Size, attributes);
        if (status.Size > 0)
        {
            using var made = _folder.CreateFile(target, 0x180);
            FileRange.CopySparse(source, made, cancellationToken);
            CopiedBytes += Math.Min(status.Size, status.Blocks * 512);
        }

        // What is young may be changed once more without getting another time.
        if (status.Changed.CompareTo(_settled) < 0)
        {
            _copies[status.Inode] = new Copied(status.Changed, status.Size, attributes);
        }
    }

    public SafeFileHandle Open(ulong inode) => _folder.OpenFile(NameOf(inode));

    public void Dispose() => _folder.Dispose();

    private static byte[] NameOf(ulong inode) => Encoding.ASCII.GetBytes(inode.ToString(CultureInfo.InvariantCulture));
}
