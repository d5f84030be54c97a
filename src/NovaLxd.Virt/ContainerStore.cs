using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.Logging;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt;

/// <summary>
/// The records, in <c>containers/ID/</c> below the state directory, readable by root alone. Each write is whole or has not happened (a new file renamed over
/// the old). Writes of one container are serialised by its lock; reading needs none.
/// </summary>
internal sealed class ContainerStore(string stateDirectory, ILogger logger)
{
    private const string RecordFile = "container.json";
    private const string SituationFile = "state.json";
    private const string DraftSuffix = ".new";
    private const UnixFileMode OnlyRoot = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly ConcurrentDictionary<Guid, ContainerRecord> _records = new();
    private readonly string _root = Path.Combine(stateDirectory, "containers");

    public IEnumerable<ContainerRecord> Records => _records.Values;

    public ContainerRecord? Find(Guid id) => _records.GetValueOrDefault(id);

    /// <summary>The container's own folder: its record, its console log and its drive.</summary>
    public string Folder(Guid id) => Path.Combine(_root, id.ToString());

    /// <summary>Reads what earlier runs wrote. A record that cannot be read is left alone and reported: it is somebody's container.</summary>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(_root, OnlyRoot);
        foreach (var folder in Directory.EnumerateDirectories(_root))
        {
            var path = Path.Combine(folder, RecordFile);
            if (!Guid.TryParse(Path.GetFileName(folder), out var id) || !File.Exists(path))
            {
                continue;
            }

            var record = await ReadAsync(path, ContainerRecordJson.Default.ContainerRecord, cancellationToken).ConfigureAwait(false);
            if (record?.Id != id)
            {
                logger.LogError("{Path} is not the record of container {Container}, which is ignored. Restore the file, or delete the folder.", path, id);
                continue;
            }

            var situation = await ReadAsync(Path.Combine(folder, SituationFile), ContainerRecordJson.Default.ContainerSituation, cancellationToken)
                .ConfigureAwait(false);
            _records[id] = record with { Situation = situation ?? new ContainerSituation() };
        }
    }

    /// <summary>Writes what the container is; on the disk for good when it is created.</summary>
    /// <exception cref="OutOfSpaceException">The file system is full; the old record stands.</exception>
    public async Task SaveAsync(ContainerRecord record, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Folder(record.Id), OnlyRoot);
        await WriteAsync(record.Id, RecordFile, record, ContainerRecordJson.Default.ContainerRecord, durable: record.Created, cancellationToken).ConfigureAwait(false);
        _records[record.Id] = record;
    }

    /// <summary>Writes what the container has on the host.</summary>
    /// <exception cref="OutOfSpaceException">The file system is full; the old situation stands.</exception>
    public async Task<ContainerRecord> SaveSituationAsync(ContainerRecord record, ContainerSituation situation, CancellationToken cancellationToken)
    {
        await WriteAsync(record.Id, SituationFile, situation, ContainerRecordJson.Default.ContainerSituation, durable: false, cancellationToken).ConfigureAwait(false);
        return _records[record.Id] = record with { Situation = situation };
    }

    /// <summary>
    /// Removes what this class and the engine keep of the container, and its drive, the record last; nothing when there is none. The folder is shared with the storage
    /// backend: whoever is last removes it, and nobody the other's files.
    /// </summary>
    public void Remove(Guid id)
    {
        var folder = Folder(id);
        if (Directory.Exists(folder))
        {
            Drives.ContainerDrives.Remove(folder);
            foreach (var file in new[] { SituationFile, LaunchSpecs.ConsoleLogFile, RecordFile })
            {
                File.Delete(Path.Combine(folder, file + DraftSuffix));
                File.Delete(Path.Combine(folder, file));
            }

            var error = Cgroups.CgroupFile.TryRemoveDirectory(folder);
            if (error != 0 && error != ENOTEMPTY && error != ENOENT)
            {
                throw new Kernel.KernelException(error, "rmdir", folder);
            }
        }

        _records.TryRemove(id, out _);
    }

    private async Task<T?> ReadAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class
    {
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            await using var file = File.OpenRead(path);
            return await JsonSerializer.DeserializeAsync(file, type, cancellationToken).ConfigureAwait(false);
        }
        catch (JsonException e)
        {
            logger.LogError(e, "{Path} cannot be read", path);
            return null;
        }
    }

    private async Task WriteAsync<T>(Guid id, string name, T content, JsonTypeInfo<T> type, bool durable, CancellationToken cancellationToken)
    {
        var path = Path.Combine(Folder(id), name);
        var draft = path + DraftSuffix;
        var options = new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        try
        {
            await using (var file = new FileStream(draft, options))
            {
                await JsonSerializer.SerializeAsync(file, content, type, cancellationToken).ConfigureAwait(false);
                await file.FlushAsync(cancellationToken).ConfigureAwait(false);
                file.Flush(flushToDisk: durable);
            }

            File.Move(draft, path, overwrite: true);
            if (durable)
            {
                SyncFolder(Folder(id));
            }
        }
        catch (IOException e) when (e.HResult == ENOSPC || e.HResult == EDQUOT || e.HResult == ErrorDiskFull)
        {
            File.Delete(draft);
            throw new OutOfSpaceException($"The record of container {id} cannot be written to {path}: the file system is full.", e);
        }
    }

    /// <summary>What .NET makes of ENOSPC (ERROR_DISK_FULL).</summary>
    private const int ErrorDiskFull = unchecked((int)0x80070070);

    /// <summary>rename(2) survives a power failure once its folder is on the disk.</summary>
    private static void SyncFolder(string folder)
    {
        using var handle = Cgroups.CgroupFile.Open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (handle.IsInvalid || fsync(Cgroups.CgroupFile.Number(handle)) != 0)
        {
            throw Kernel.KernelException.Last("fsync", folder);
        }
    }
}
