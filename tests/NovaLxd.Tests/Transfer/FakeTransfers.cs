using System.Security.Cryptography;
using NovaLxd.Transfer;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Transfer;

/// <summary>Containers that arrive, in memory.</summary>
internal sealed class FakeTransfers : IContainerTransfers
{
    public List<FakeArrival> Arrivals { get; } = [];

    /// <summary>What goes wrong when a piece is taken.</summary>
    public Func<long, Exception?> Fault { get; set; } = _ => null;

    public Exception? ExpectFault { get; set; }

    /// <summary>Whether a bit turns over on the way to the disk.</summary>
    public bool Damages { get; set; }

    /// <summary>Completed when completions may go on.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;

    public Task<IContainerDeparture> DepartAsync(Guid id, CancellationToken cancellationToken) => Task.FromResult<IContainerDeparture>(new FakeDeparture(id, 3));

    public Task<IContainerArrival> ExpectAsync(ContainerManifest manifest, CancellationToken cancellationToken)
    {
        if (ExpectFault is not null)
        {
            throw ExpectFault;
        }

        var arrival = new FakeArrival(this, manifest);
        Arrivals.Add(arrival);
        return Task.FromResult<IContainerArrival>(arrival);
    }
}

internal sealed class FakeArrival(FakeTransfers owner, ContainerManifest manifest) : IContainerArrival
{
    private readonly Dictionary<string, byte[]> _content = manifest.Parts.ToDictionary(p => p.Name, p => new byte[p.Size]);
    private readonly Dictionary<string, TransferHash> _hashes = manifest.Parts.ToDictionary(p => p.Name, _ => new TransferHash());
    private readonly Dictionary<string, long> _positions = manifest.Parts.ToDictionary(p => p.Name, _ => 0L);

    public ContainerManifest Manifest { get; private set; } = manifest;

    public IReadOnlyDictionary<string, long> Positions => _positions;

    public bool Completed { get; private set; }

    /// <summary>Of the pieces of the root that were taken.</summary>
    public List<long> Offsets { get; } = [];

    public bool Disposed { get; private set; }

    public byte[] Content(string part) => _content[part];

    public Task AddImageAsync(TransferPart image, CancellationToken cancellationToken)
    {
        if (_content.TryAdd(image.Name, new byte[image.Size]))
        {
            _hashes[image.Name] = new TransferHash();
            _positions[image.Name] = 0;
            Manifest = Manifest with { Parts = [.. Manifest.Parts, image] };
        }

        return Task.CompletedTask;
    }

    public Task<bool> WriteAsync(string part, long offset, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (owner.Fault(offset) is { } fault)
        {
            throw fault;
        }

        if (!_positions.TryGetValue(part, out var position))
        {
            throw new TransferRefusedException($"no part {part}");
        }

        if (offset < position)
        {
            return Task.FromResult(false);
        }

        if (part == "root")
        {
            Offsets.Add(offset);
        }

        var target = _content[part].AsSpan((int)offset, data.Length);
        data.Span.CopyTo(target);
        target[0] ^= (byte)(owner.Damages ? 1 : 0);
        _hashes[part].Append(offset, target);
        _positions[part] = offset + data.Length;
        return Task.FromResult(true);
    }

    public async Task CompleteAsync(IReadOnlyDictionary<string, string> hashes, CancellationToken cancellationToken)
    {
        await owner.Gate.WaitAsync(cancellationToken);
        foreach (var (name, hash) in _hashes)
        {
            if (hashes[name] != hash.Value)
            {
                throw new TransferRefusedException($"The {name} was damaged on the way.");
            }
        }

        Completed = true;
    }

    public ValueTask DisposeAsync()
    {
        Disposed = true;
        return ValueTask.CompletedTask;
    }
}

/// <summary>A container of random data with holes.</summary>
internal sealed class FakeDeparture : IContainerDeparture
{
    private readonly Dictionary<string, byte[]> _content = [];

    public FakeDeparture(Guid id, int megabytes)
    {
        var root = _content["root"] = new byte[megabytes << 20];
        for (var at = 0; at < root.Length; at += 3 << 20)
        {
            RandomNumberGenerator.Fill(root.AsSpan(at, Math.Min(2 << 20, root.Length - at)));
        }

        Manifest = new ContainerManifest
        {
            Spec = new ContainerSpec { Id = id, Name = "instance-00000001", Hostname = "guest", ImageKey = "sha512:abc", RootDiskBytes = root.Length },
            Root = RootForm.Disk,
            IdMapBase = 1_000_000,
            Parts = [new TransferPart("root", root.Length, root.Length)],
        };
    }

    public ContainerManifest Manifest { get; set; }

    public byte[] Content(string part) => _content[part];

    public Task AddImageAsync(CancellationToken cancellationToken)
    {
        _content["image"] = RandomNumberGenerator.GetBytes(300_000);
        Manifest = Manifest with { Parts = [.. Manifest.Parts, new TransferPart("image", 300_000, 300_000)] };
        return Task.CompletedTask;
    }

    public (long Offset, int Length) ReadNext(string part, long from, Span<byte> buffer)
    {
        var content = _content[part];
        while (from < content.Length)
        {
            var piece = content.AsSpan((int)from, Math.Min(1 << 20, (int)(content.Length - from)));
            if (piece.ContainsAnyExcept((byte)0))
            {
                piece.CopyTo(buffer);
                return (from, piece.Length);
            }

            from += piece.Length;
        }

        return (content.Length, 0);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>What the control plane would say.</summary>
internal sealed class FakeMoves : IIncomingMoves
{
    public string? Source { get; set; } = "host-a";

    public Task<string?> FindSourceAsync(Guid instance, CancellationToken cancellationToken) => Task.FromResult(Source);
}
