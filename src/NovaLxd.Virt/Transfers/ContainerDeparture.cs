using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Transfers;

/// <summary>Reads what the storage backend has packed.</summary>
internal sealed class ContainerDeparture : IContainerDeparture
{
    private readonly IStorageBackend _storage;
    private readonly List<DepartingFile> _files = [];

    public ContainerDeparture(ContainerRecord record, IStorageBackend storage, RootForm form, PackedFile root, IReadOnlyList<PackedFile> disks, PackedFile? drive)
    {
        _storage = storage;
        _files.Add(new DepartingFile(ContainerManifest.RootPart, root));
        _files.AddRange(disks.Select((disk, number) => new DepartingFile(ContainerManifest.DiskPart(number), disk)));
        if (drive is not null)
        {
            _files.Add(new DepartingFile(ContainerManifest.DrivePart, drive));
        }

        Manifest = new ContainerManifest { Spec = record.Spec, Root = form, IdMapBase = record.IdMap?.HostBase, Parts = [.. _files.Select(f => f.Part)] };
    }

    public ContainerManifest Manifest { get; private set; }

    public async Task AddImageAsync(CancellationToken cancellationToken)
    {
        if (Manifest.Find(ContainerManifest.ImagePart) is null)
        {
            var image = new DepartingFile(
                ContainerManifest.ImagePart, await _storage.PackImageAsync(Manifest.Spec.Id, Manifest.Spec.ImageKey, cancellationToken).ConfigureAwait(false));
            _files.Add(image);
            Manifest = Manifest with { Parts = [.. Manifest.Parts, image.Part] };
        }
    }

    public (long Offset, int Length) ReadNext(string part, long from, Span<byte> buffer) => _files.Single(f => f.Part.Name == part).ReadNext(from, buffer);

    public ValueTask DisposeAsync()
    {
        _files.ForEach(file => file.Dispose());
        return ValueTask.CompletedTask;
    }
}
