using System.Security.Cryptography;
using System.Text;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Storage.Images;

/// <summary>
/// Images on disk: <c>images/HASH/root</c> is the tree, <c>info.json</c> what is known of it, its modification time when it was last used. HASH is the
/// SHA-256 of the content key, so that a key can be any text. The folder above has mode 0700: a set-user-ID program of an image is owned by host root, and
/// nobody on the host may reach it.
/// </summary>
internal sealed class ImageStore(string images, TimeProvider time)
{
    private const string TrashPrefix = ".delete-";

    private readonly KeyedLock<string> _locks = new();
    private readonly ImageImporter _importer = new(images, time);

    /// <summary>Removes imports and deletions that a killed run left half done.</summary>
    public void Initialize()
    {
        foreach (var folder in Directory.EnumerateDirectories(images))
        {
            if (!File.Exists(Path.Combine(folder, ImageImporter.InfoFile)) || Path.GetFileName(folder).StartsWith('.'))
            {
                DirectoryTree.Delete(folder);
            }
        }
    }

    /// <summary>Holds an image as it is: not imported, not deleted by anybody else.</summary>
    public Task<IDisposable> LockAsync(string key, CancellationToken cancellationToken) => _locks.EnterAsync(key, cancellationToken);

    /// <summary>One import of a key at a time; who waited finds it done, or tries himself when it failed.</summary>
    public async Task<ImageInfo> ImportAsync(ImageImport import, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(import.Key, cancellationToken).ConfigureAwait(false);
        if (Find(import.Key) is { } present)
        {
            return present;
        }

        // A folder without a readable record is in the way of the rename.
        DirectoryTree.Delete(FolderOf(import.Key));
        await _importer.ImportAsync(import, Name(import.Key), cancellationToken).ConfigureAwait(false);
        MarkUsed(import.Key);
        return Find(import.Key) ?? throw new ImageNotFoundException(import.Key);
    }

    public ImageInfo? Find(string key) => Read(FolderOf(key)) is { } info && info.Key == key ? info : null;

    public IReadOnlyList<ImageInfo> List() =>
        [.. Directory.EnumerateDirectories(images).Where(folder => !Path.GetFileName(folder).StartsWith('.')).Select(Read).OfType<ImageInfo>()];

    /// <summary>Path of the tree of an image.</summary>
    /// <exception cref="ImageNotFoundException"/>
    public string RootOf(string key) => Find(key) is null ? throw new ImageNotFoundException(key) : Path.Combine(FolderOf(key), ImageImporter.RootFolder);

    public void MarkUsed(string key)
    {
        using var folder = DirectoryHandle.Open(FolderOf(key));
        var now = time.GetUtcNow();
        folder.SetModified(Encoding.UTF8.GetBytes(ImageImporter.InfoFile), now.ToUnixTimeSeconds(), now.Ticks % TimeSpan.TicksPerSecond * 100);
    }

    /// <summary>The caller holds the lock. Renamed first: what a crash leaves is then no image.</summary>
    public void Delete(string key)
    {
        var trash = TrashPrefix + Guid.NewGuid().ToString("N");
        if (!Directory.Exists(FolderOf(key)))
        {
            return;
        }

        using (var store = DirectoryHandle.Open(images))
        {
            store.Rename(Encoding.UTF8.GetBytes(Name(key)), store, Encoding.UTF8.GetBytes(trash));
        }

        DirectoryTree.Delete(Path.Combine(images, trash));
    }

    private static string Name(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    private static ImageInfo? Read(string folder)
    {
        var path = Path.Combine(folder, ImageImporter.InfoFile);
        return StorageJson.Read(path, StorageJson.Default.ImageRecord) is { } record
            ? new ImageInfo(record.Key, record.Format, record.UnpackedBytes, record.ImportedAt, new DateTimeOffset(File.GetLastWriteTimeUtc(path)))
            : null;
    }

    private string FolderOf(string key) => Path.Combine(images, Name(key));
}
