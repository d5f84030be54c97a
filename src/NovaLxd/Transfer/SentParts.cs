using NovaLxd.Virt;

namespace NovaLxd.Transfer;

/// <summary>What one transfer has read and sent, over all its tries.</summary>
internal sealed class SentParts : IDisposable
{
    private readonly Dictionary<string, SentPart> _parts = [];
    private long _before;

    /// <summary>Bytes sent in all, what was sent twice counted twice.</summary>
    public long Bytes { get; private set; }

    public void Add(int bytes) => Bytes += bytes;

    /// <summary>Whether anything was sent since this was asked last.</summary>
    public bool TakeProgress() => _before < (_before = Bytes);

    public SentPart Of(string part) => _parts.TryGetValue(part, out var known) ? known : _parts[part] = new SentPart();

    public void Dispose()
    {
        foreach (var part in _parts.Values)
        {
            part.Hash.Dispose();
        }
    }
}

/// <summary>The hash of a part goes through it once, however often pieces are sent.</summary>
internal sealed class SentPart
{
    public TransferHash Hash { get; } = new();

    /// <summary>How far it has come.</summary>
    public long Hashed { get; private set; }

    public void Append(long offset, ReadOnlySpan<byte> data)
    {
        if (offset >= Hashed)
        {
            Hash.Append(offset, data);
            Hashed = offset + data.Length;
        }
    }
}
