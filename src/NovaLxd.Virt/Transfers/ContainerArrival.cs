using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Transfers;

/// <summary>A record that says "half made", and the files that come. Until it says "made", whoever finds it takes it away.</summary>
internal sealed class ContainerArrival(ContainerManifest manifest, ContainerRecord record, ContainerTransfers transfers, ILogger logger)
    : IContainerArrival
{
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly Dictionary<string, ArrivingFile> _files = [];
    private bool _completed;
    private bool _disposed;

    public ContainerManifest Manifest { get; private set; } = manifest;

    public IReadOnlyDictionary<string, long> Positions { get; private set; } = new Dictionary<string, long>();

    /// <summary>Makes an empty file for a part.</summary>
    public async Task OpenAsync(TransferPart part, CancellationToken cancellationToken)
    {
        _files[part.Name] = new ArrivingFile(part, await transfers.OpenAsync(record, Manifest.Root, part, cancellationToken).ConfigureAwait(false));
        TellPositions();
    }

    public async Task AddImageAsync(TransferPart image, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_completed && !_files.ContainsKey(ContainerManifest.ImagePart))
            {
                var grown = Manifest with { Parts = [.. Manifest.Parts.Where(p => p.Name != ContainerManifest.ImagePart), image] };
                ContainerTransfers.Check(grown);
                await transfers.CheckRoomAsync(grown, cancellationToken).ConfigureAwait(false);
                await OpenAsync(image, cancellationToken).ConfigureAwait(false);
                Manifest = grown;
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    public async Task<bool> WriteAsync(string part, long offset, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_completed || !_files.TryGetValue(part, out var file))
            {
                throw new TransferRefusedException($"The container was announced without a part named {part}, or is whole already.");
            }

            var taken = await Task.Run(() => file.Write(offset, data.Span), cancellationToken).ConfigureAwait(false);
            TellPositions();
            return taken;
        }
        catch (Exception e) when (OutOfSpace.Is(e))
        {
            throw new OutOfSpaceException($"Container {record.Id} does not fit on this host: its disk became full.", e);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>(1) what came is what left (2) image (3) root file system and drive (4) a record that says "made"</summary>
    public async Task CompleteAsync(IReadOnlyDictionary<string, string> hashes, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_completed)
            {
                return;
            }

            ObjectDisposedException.ThrowIf(_disposed, this);

            // (1)
            foreach (var (name, file) in _files)
            {
                var hash = hashes.GetValueOrDefault(name) ?? throw new TransferRefusedException($"The other host gave no hash of the {name}.");
                await BlockingWork.RunOnOwnThreadAsync(() => Finish(file, hash)).ConfigureAwait(false);
            }

            var withImage = _files.ContainsKey(ContainerManifest.ImagePart);
            CloseFiles();

            // (2) to (4)
            await transfers.CompleteAsync(Manifest, record, withImage, cancellationToken).ConfigureAwait(false);
            _completed = true;
        }
        catch (Exception e) when (OutOfSpace.Is(e))
        {
            throw new OutOfSpaceException($"Container {record.Id} does not fit on this host: its disk became full.", e);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Takes away what has come, unless it is a container by now.</summary>
    public async ValueTask DisposeAsync()
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            CloseFiles();
            if (!_completed)
            {
                logger.LogInformation("What has arrived of container {Container} ({Name}) is taken away", record.Id, record.Spec.Name);
                await transfers.AbandonAsync(record, CancellationToken.None).ConfigureAwait(false);
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    private static bool Finish(ArrivingFile file, string hash)
    {
        file.Finish(hash);
        return true;
    }

    private void TellPositions() => Positions = _files.ToDictionary(f => f.Key, f => f.Value.Position);

    private void CloseFiles()
    {
        foreach (var file in _files.Values)
        {
            file.Dispose();
        }

        _files.Clear();
    }
}
