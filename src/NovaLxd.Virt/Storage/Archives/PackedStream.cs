namespace NovaLxd.Virt.Storage.Archives;

/// <summary>
/// An archive as a stream to read from, compressed, made while it is read and nowhere kept: reading asks the packer for a few more steps, on a thread of
/// <see cref="BlockingWork"/>. Whoever stops reading stops the packing.
/// </summary>
/// <param name="pack">Writes the archive into the stream it is given, step by step.</param>
/// <param name="work">Where the steps run.</param>
internal sealed class PackedStream(Func<Stream, IEnumerable<int>> pack, BlockingWork work) : Stream
{
    /// <summary>zstd's own choice between time and size.</summary>
    private const int Level = 3;

    /// <summary>What one turn makes, or reads (of what compresses well much has to be read to make anything), before others get the thread.</summary>
    private const int Turn = 256 * 1024;

    private const int LongestTurn = 4 << 20;

    /// <summary>A sender that was told to stop may still be reading.</summary>
    private readonly Lock _gate = new();

    private readonly MemoryStream _ready = new();
    private ZstdSharp.CompressionStream? _compressor;
    private IEnumerator<int>? _steps;
    private int _taken;
    private long _position;
    private bool _ended;
    private bool _disposed;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => _position; set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_taken == _ready.Length && !_ended && buffer.Length > 0)
        {
            await work.RunAsync(Make, cancellationToken).ConfigureAwait(false);
        }

        var taken = (int)Math.Min(buffer.Length, _ready.Length - _taken);
        _ready.GetBuffer().AsSpan(_taken, taken).CopyTo(buffer.Span);
        _taken += taken;
        _position += taken;
        return taken;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("An archive that is made meanwhile is read asynchronously.");

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
            lock (_gate)
            {
                _disposed = true;
                _steps?.Dispose();
                _compressor?.Dispose();
                _compressor = null;
            }
        }

        base.Dispose(disposing);
    }

    private void Make()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            MakeMore();
        }
    }

    private void MakeMore()
    {
        _ready.SetLength(0);
        _taken = 0;
        _compressor ??= new ZstdSharp.CompressionStream(_ready, Level, leaveOpen: true);
        _steps ??= pack(_compressor).GetEnumerator();
        for (var read = 0; _ready.Length < Turn && read < LongestTurn; read += _steps.Current + 512)
        {
            if (!_steps.MoveNext())
            {
                _compressor.Dispose(); // Writes the end of the frame.
                _compressor = null;
                _ended = true;
                return;
            }
        }
    }
}
