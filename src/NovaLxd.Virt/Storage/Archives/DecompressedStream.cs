using SharpCompress.Compressors.Xz;

namespace NovaLxd.Virt.Storage.Archives;

/// <summary>
/// The content of a gzip, xz or zstd stream (or of a plain one). Several streams one after the other are one, as for the programs of that name; padding of
/// zeros may follow, anything else is refused, and so is more output than <paramref name="limit"/> bytes.
/// </summary>
internal sealed class DecompressedStream(RewindableStream input, ImageContentKind kind, long limit) : Stream
{
    /// <summary>Zeros allowed after the last stream.</summary>
    private const int MaxPadding = 4 << 20;

    private Stream? _decoder;
    private bool _ended;
    private long _total;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => _total; set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        while (!_ended)
        {
            var read = Decode(buffer);
            if (read > 0)
            {
                _total += read;
                return _total <= limit ? read : throw new ImageRejectedException($"The image is refused: unpacked it has more than {limit} bytes.");
            }

            DisposeDecoder();
            _ended = !HasNext();
        }

        return 0;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            DisposeDecoder();
        }

        base.Dispose(disposing);
    }

    private static Stream Decoder(RewindableStream input, ImageContentKind kind) => kind switch
    {
        ImageContentKind.Gzip => new GzipMember(input),
        ImageContentKind.Zstd => new ZstdSharp.DecompressionStream(input, checkEndOfStream: true, leaveOpen: true),
        ImageContentKind.Xz => new XZStream(input),
        _ => input,
    };

    private void DisposeDecoder()
    {
        if (_decoder != input)
        {
            _decoder?.Dispose();
        }

        _decoder = null;
    }

    private int Decode(Span<byte> buffer)
    {
        try
        {
            _decoder ??= Decoder(input, kind);
            return _decoder.Read(buffer);
        }
#pragma warning disable CA1031 // The decoders throw whatever their tables run into on hostile data; all of it means the same.
        catch (Exception e) when (input.Failure is null && kind is not ImageContentKind.Tar)
#pragma warning restore CA1031
        {
            throw new ImageRejectedException(
                $"The {kind.ToString().ToLowerInvariant()} data is damaged or truncated at byte {input.Consumed}, after {_total} bytes of content: {e.Message}", e);
        }
    }

    /// <summary>Whether another stream follows the one that has ended.</summary>
    private bool HasNext()
    {
        if (kind is ImageContentKind.Tar)
        {
            return false;
        }

        for (long padding = 0; input.Peek(64 * 1024) is { IsEmpty: false } rest;)
        {
            var zeros = rest.IndexOfAnyExcept((byte)0);
            if (zeros == 0 && ImageContent.Recognise(rest).Kind == kind)
            {
                return true;
            }

            padding += zeros < 0 ? rest.Length : zeros;
            if (zeros == 0 || padding > MaxPadding)
            {
                throw new ImageRejectedException($"The image is refused: there is something after the end of the {kind.ToString().ToLowerInvariant()} data, at byte {input.Consumed}.");
            }

            input.ReadExactly(new byte[zeros < 0 ? rest.Length : zeros]);
        }

        return false;
    }
}
