namespace NovaLxd.Virt.Storage.Archives;

/// <summary>
/// A stream that cannot seek, with its nearest past kept: so its first bytes can be looked at, and a decoder that has read beyond its end can give back
/// what it did not use.
/// </summary>
internal sealed class RewindableStream(Stream inner) : Stream
{
    /// <summary>Bytes that can be given back.</summary>
    public const int Past = 64 * 1024;

    private readonly byte[] _buffer = new byte[Past + (128 * 1024)];
    private int _position;
    private int _end;

    /// <summary>Why the source failed, if it did: a decoder must not take that for damaged data.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Bytes handed out and not given back.</summary>
    public long Consumed { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => Consumed; set => Seek(value, SeekOrigin.Begin); }

    /// <summary>The next bytes, up to <paramref name="count"/> (at most 128 KiB), which stay unread.</summary>
    public ReadOnlySpan<byte> Peek(int count)
    {
        while (_end - _position < count && Fill())
        {
        }

        return _buffer.AsSpan(_position, Math.Min(count, _end - _position));
    }

    public override int Read(Span<byte> buffer)
    {
        if (_position == _end && !Fill())
        {
            return 0;
        }

        var part = Math.Min(buffer.Length, _end - _position);
        _buffer.AsSpan(_position, part).CopyTo(buffer);
        _position += part;
        Consumed += part;
        return part;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override long Seek(long offset, SeekOrigin origin)
    {
        var by = origin switch
        {
            SeekOrigin.Current => offset,
            SeekOrigin.Begin => offset - Consumed,
            _ => throw new NotSupportedException(),
        };
        if (by > _end - _position || -by > _position)
        {
            throw new IOException("Only the bytes around here can be reached.");
        }

        _position += (int)by;
        return Consumed += by;
    }

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private bool Fill()
    {
        if (_end == _buffer.Length)
        {
            var keepFrom = Math.Max(0, _position - Past);
            _buffer.AsSpan(keepFrom, _end - keepFrom).CopyTo(_buffer);
            (_position, _end) = (_position - keepFrom, _end - keepFrom);
        }

        try
        {
            var read = inner.Read(_buffer.AsSpan(_end));
            _end += read;
            return read > 0;
        }
        catch (Exception e)
        {
            Failure = e;
            throw;
        }
    }
}
