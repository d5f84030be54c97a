namespace NovaLxd.TestCloud.Http;

/// <summary>Lets so many bytes of an answer through and then cuts the connection.</summary>
internal sealed class CuttingStream(Stream inner, long limit, Action cut) : Stream
{
    private long left = limit;

    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var part = buffer[..(int)Math.Min(left, buffer.Length)];
        await inner.WriteAsync(part, cancellationToken);
        left -= part.Length;
        if (left > 0)
            return;
        await inner.FlushAsync(cancellationToken);
        cut();
        throw new IOException("The answer was cut on purpose.");
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);
    public override void Flush() => inner.Flush();
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
