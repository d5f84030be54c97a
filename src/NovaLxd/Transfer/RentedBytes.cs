using System.Buffers;

namespace NovaLxd.Transfer;

/// <summary>A buffer from the pool, as long as asked for.</summary>
internal sealed class RentedBytes(int length) : IDisposable
{
    private byte[]? _bytes = ArrayPool<byte>.Shared.Rent(length);

    public Memory<byte> Memory => (_bytes ?? throw new ObjectDisposedException(nameof(RentedBytes))).AsMemory(0, length);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _bytes, null) is { } bytes)
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }
}
