using System.Buffers.Binary;
using System.Security.Cryptography;

namespace NovaLxd.Virt;

/// <summary>SHA-256 over all pieces of a part in their order, each after its offset (8 bytes, little-endian): what is a hole on one side is one on the other.</summary>
public sealed class TransferHash : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public string Value => Convert.ToHexStringLower(_hash.GetCurrentHash());

    public void Append(long offset, ReadOnlySpan<byte> data)
    {
        Span<byte> position = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(position, offset);
        _hash.AppendData(position);
        _hash.AppendData(data);
    }

    public void Dispose() => _hash.Dispose();
}
