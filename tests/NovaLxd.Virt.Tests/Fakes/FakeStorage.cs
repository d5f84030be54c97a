using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Tests.Fakes;

/// <summary>A storage backend that remembers which roots there are and which are mounted.</summary>
internal sealed class FakeStorage(Journal journal) : IStorageBackend
{
    public ConcurrentDictionary<Guid, RootfsRequest> Roots { get; } = new();

    public ConcurrentDictionary<Guid, bool> Mounted { get; } = new();

    public StorageCapabilities Capabilities { get; } = new() { EnforcesSize = true };

    public Task InitializeAsync(CancellationToken cancellationToken) => journal.AddAsync("storage", cancellationToken);

    public Task<ImageInfo> ImportImageAsync(ImageImport import, CancellationToken cancellationToken) =>
        Task.FromResult(new ImageInfo(import.Key, "tar", 0, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch));

    public Task<ImageInfo?> FindImageAsync(string key, CancellationToken cancellationToken) => Task.FromResult<ImageInfo?>(null);

    public Task<IReadOnlyList<ImageInfo>> ListImagesAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<ImageInfo>>([]);

    public Task<bool> DeleteImageAsync(string key, CancellationToken cancellationToken) => Task.FromResult(Roots.Values.All(root => root.ImageKey != key));

    public async Task CreateRootfsAsync(RootfsRequest request, CancellationToken cancellationToken)
    {
        await journal.AddAsync("create root", cancellationToken);
        if (!Roots.TryAdd(request.Id, request))
        {
            throw new ContainerExistsException(request.Id);
        }
    }

    public async Task<RootfsMount> MountAsync(Guid id, CancellationToken cancellationToken)
    {
        await journal.AddAsync("mount", cancellationToken);
        Mounted[id] = true;
        return new RootfsMount(["/lower"], "/upper", "/work") { Disks = [.. Roots[id].DiskBytes.Select((_, number) => $"/disk{number}")] };
    }

    public async Task UnmountAsync(Guid id, CancellationToken cancellationToken)
    {
        await journal.AddAsync("unmount", cancellationToken);
        Mounted.TryRemove(id, out _);
    }

    public async Task ResizeRootfsAsync(Guid id, long? sizeBytes, IReadOnlyList<long> diskBytes, CancellationToken cancellationToken)
    {
        if (Roots[id].SizeBytes != sizeBytes || !Roots[id].DiskBytes.SequenceEqual(diskBytes))
        {
            await journal.AddAsync($"resize root {string.Join(" + ", diskBytes.Prepend(sizeBytes ?? 0))}", cancellationToken);
            Roots[id] = Roots[id] with { SizeBytes = sizeBytes, DiskBytes = diskBytes };
        }
    }

    public async Task DeleteRootfsAsync(Guid id, CancellationToken cancellationToken)
    {
        if (Roots.ContainsKey(id))
        {
            await journal.AddAsync("delete root", cancellationToken);
            Roots.TryRemove(id, out _);
        }
    }

    /// <summary>What a capture does between freeze and thaw.</summary>
    public Func<CancellationToken, Task> WhileHeld { get; set; } = _ => Task.CompletedTask;

    public async Task<IRootfsCapture> CaptureRootfsAsync(Guid id, Func<CancellationToken, Task<IAsyncDisposable>> hold, CancellationToken cancellationToken)
    {
        await journal.AddAsync("copy", cancellationToken);
        await using (await hold(cancellationToken))
        {
            await journal.AddAsync("capture", cancellationToken);
            await WhileHeld(cancellationToken);
        }

        return new Capture(journal);
    }

    public Task<long> GetUsedBytesAsync(Guid id, CancellationToken cancellationToken) => Task.FromResult(12345L);

    public Task<(long Total, long Used)> GetCapacityAsync(CancellationToken cancellationToken) => Task.FromResult((1000L, 400L));

    public Task<(RootForm Form, PackedFile File)> PackRootfsAsync(Guid id, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<IReadOnlyList<PackedFile>> PackDisksAsync(Guid id, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<SafeFileHandle> StartDiskArrivalAsync(Guid id, int number, long size, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<PackedFile> PackImageAsync(Guid id, string key, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<SafeFileHandle> StartArrivalAsync(Guid id, ArrivingKind kind, long size, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<Stream> OpenArrivedImageAsync(Guid id) => throw new NotSupportedException();

    public Task CompleteArrivalAsync(RootfsArrival arrival, CancellationToken cancellationToken) => throw new NotSupportedException();
    private sealed class Capture(Journal journal) : IRootfsCapture
    {
        public long UnpackedBytes => 4096;

        public Stream Open() => new MemoryStream("the root"u8.ToArray());

        public async ValueTask DisposeAsync() => await journal.AddAsync("end capture", CancellationToken.None);
    }
}
