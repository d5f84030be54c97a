using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Engine;

/// <summary>
/// A file that keeps the newest bytes of a console and never grows: 16 bytes of header, then a ring. Header: "NLXDRING" and, little-endian, how many bytes
/// were ever written; byte n of the stream is at n modulo the ring's size. The count is written after the bytes, so a reader (or a successor
/// after a crash) sees a whole prefix of the stream. One writer; any number of readers.
/// </summary>
internal sealed class ConsoleRing : IDisposable
{
    private const int HeaderSize = 16;
    private const ulong Magic = 0x474E495244584C4E;

    private readonly Microsoft.Win32.SafeHandles.SafeFileHandle _file;
    private readonly int _capacity;
    private long _written;

    /// <summary>Opens for writing: goes on where the file ends; starts anew when it is another size or no ring.</summary>
    public ConsoleRing(string path, int capacity)
    {
        _capacity = capacity;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        _file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        File.SetUnixFileMode(_file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        if (RandomAccess.GetLength(_file) == HeaderSize + capacity && ReadCount(_file) is { } written)
        {
            _written = written;
            return;
        }

        RandomAccess.SetLength(_file, 0);
        RandomAccess.SetLength(_file, HeaderSize + capacity); // Sparse until written.
        WriteHeader();
    }

    public void Append(ReadOnlySpan<byte> content)
    {
        if (content.Length > _capacity)
        {
            _written += content.Length - _capacity;
            content = content[^_capacity..];
        }

        var place = (int)(_written % _capacity);
        var first = Math.Min(content.Length, _capacity - place);
        RandomAccess.Write(_file, content[..first], HeaderSize + place);
        RandomAccess.Write(_file, content[first..], HeaderSize);
        _written += content.Length;
        WriteHeader();
    }

    /// <summary>The newest bytes, oldest first, at most <paramref name="maxBytes"/>; empty when there is no file, or one that is just being made.</summary>
    /// <exception cref="InvalidDataException">The file is no ring.</exception>
    public static byte[] ReadTail(string path, int maxBytes)
    {
        if (!File.Exists(path))
        {
            return [];
        }

        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var size = RandomAccess.GetLength(file);
        if (size == 0)
        {
            return [];
        }

        var capacity = (int)(size - HeaderSize);
        if (capacity <= 0 || ReadCount(file) is not { } written)
        {
            throw new InvalidDataException($"{path} is not a console log of this service.");
        }

        var length = (int)Math.Min(Math.Min(written, capacity), maxBytes);
        var content = new byte[length];
        var place = (int)((written - length) % capacity);
        var first = Math.Min(length, capacity - place);
        ReadExactly(file, content.AsSpan(0, first), HeaderSize + place);
        ReadExactly(file, content.AsSpan(first), HeaderSize);
        return content;
    }

    public void Dispose() => _file.Dispose();

    private void WriteHeader()
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        BitConverter.TryWriteBytes(header, Magic);
        BitConverter.TryWriteBytes(header[8..], _written);
        RandomAccess.Write(_file, header, 0);
    }

    /// <summary>0 as long as the header is a hole; null: no ring.</summary>
    private static long? ReadCount(Microsoft.Win32.SafeHandles.SafeFileHandle file)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        return RandomAccess.Read(file, header, 0) == HeaderSize && (BitConverter.ToUInt64(header) == Magic || !header.ContainsAnyExcept((byte)0))
            ? BitConverter.ToInt64(header[8..])
            : null;
    }

    private static void ReadExactly(Microsoft.Win32.SafeHandles.SafeFileHandle file, Span<byte> buffer, long offset)
    {
        while (!buffer.IsEmpty)
        {
            var count = RandomAccess.Read(file, buffer, offset);
            if (count == 0)
            {
                buffer.Clear(); // Cut short behind our back; its rest reads as zeros, as a hole would.
                return;
            }

            buffer = buffer[count..];
            offset += count;
        }
    }
}
