using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Transfers;

/// <summary>A file read for its data alone.</summary>
internal sealed class DepartingFile(string name, PackedFile file) : IDisposable
{
    /// <summary>A hole shorter than this is read along: a piece of its own would cost more.</summary>
    private const long ShortHole = 64 * 1024;

    public TransferPart Part { get; } = new(name, file.Size, file.DataBytes);

    /// <summary>The next data at or after an offset; 0 bytes when there are none. Data that are nothing but zeros are a hole.</summary>
    public (long Offset, int Length) ReadNext(long from, Span<byte> buffer)
    {
        while (FileRange.TryFindData(file.Handle, from, out var start))
        {
            var length = (int)(EndOfData(start, start + buffer.Length) - start);
            for (var done = 0; done < length;)
            {
                var read = RandomAccess.Read(file.Handle, buffer[done..length], start + done);
                if (read == 0)
                {
                    throw new IOException($"The {Part.Name} of the container became shorter while it was read.");
                }

                done += read;
            }

            if (buffer[..length].ContainsAnyExcept((byte)0))
            {
                return (start, length);
            }

            from = start + length;
        }

        return (Part.Size, 0);
    }

    public void Dispose() => file.Dispose();

    private long EndOfData(long start, long limit)
    {
        var end = FileRange.FindHole(file.Handle, start);
        while (end < limit && FileRange.TryFindData(file.Handle, end, out var next) && next - end < ShortHole && next < limit)
        {
            end = FileRange.FindHole(file.Handle, next);
        }

        return Math.Min(end, limit);
    }
}
