using System.IO.Compression;
using System.IO.Hashing;
using static System.Buffers.Binary.BinaryPrimitives;

namespace NovaLxd.Virt.Storage.Archives;

/// <summary>
/// One member of a gzip file (RFC 1952), read to its exact end. GZipStream is not used: it takes a truncated file for a whole one, ignores what follows, and
/// does not say where it stopped. DeflateStream does the work here; it reads ahead, so that the end is where the trailer stands, whose eight bytes (CRC-32 and
/// length of the content) are known by then.
/// </summary>
internal sealed class GzipMember : Stream
{
    private const int HeaderCrc = 2;
    private const int ExtraField = 4;
    private const int FileName = 8;
    private const int Comment = 16;

    private readonly RewindableStream _input;
    private readonly DeflateStream _deflate;
    private readonly Crc32 _checksum = new();
    private readonly long _start;
    private uint _length;
    private bool _ended;

    /// <param name="input">At the first byte of the member; afterwards at the first behind it.</param>
    public GzipMember(RewindableStream input)
    {
        _input = input;
        ReadHeader();
        _start = input.Consumed;
        _deflate = new DeflateStream(input, CompressionMode.Decompress, leaveOpen: true);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        if (_ended || buffer.IsEmpty)
        {
            return 0;
        }

        var read = _deflate.Read(buffer);
        if (read == 0)
        {
            _ended = true;
            SeekBehindTrailer();
            return 0;
        }

        _checksum.Append(buffer[..read]);
        _length = unchecked(_length + (uint)read);
        return read;
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
            _deflate.Dispose();
        }

        base.Dispose(disposing);
    }

    private void ReadHeader()
    {
        Span<byte> header = stackalloc byte[10];
        _input.ReadExactly(header);
        if (header[0] != 0x1F || header[1] != 0x8B || header[2] != 8)
        {
            throw new InvalidDataException("no gzip header with the deflate method");
        }

        var flags = header[3];
        if ((flags & ExtraField) != 0)
        {
            _input.ReadExactly(header[..2]);
            _input.ReadExactly(new byte[ReadUInt16LittleEndian(header)]);
        }

        SkipText((flags & FileName) != 0);
        SkipText((flags & Comment) != 0);
        if ((flags & HeaderCrc) != 0)
        {
            _input.ReadExactly(header[..2]);
        }
    }

    private void SkipText(bool present)
    {
        const int longest = 64 * 1024;
        for (var length = 0; present; length++)
        {
            var next = _input.ReadByte();
            present = next > 0 && length < longest;
            if (next < 0 || length == longest)
            {
                throw new InvalidDataException("a text in the gzip header does not end");
            }
        }
    }

    private void SeekBehindTrailer()
    {
        Span<byte> trailer = stackalloc byte[8];
        WriteUInt32LittleEndian(trailer, _checksum.GetCurrentHashAsUInt32());
        WriteUInt32LittleEndian(trailer[4..], _length);

        // What the decoder may have read beyond the end lies within its last reads.
        var back = (int)Math.Min(RewindableStream.Past, _input.Consumed - _start);
        _input.Seek(-back, SeekOrigin.Current);
        var at = _input.Peek(back + trailer.Length).IndexOf(trailer);
        if (at < 0)
        {
            throw new InvalidDataException("its checksum is wrong or missing");
        }

        _input.Seek(at + trailer.Length, SeekOrigin.Current);
    }
}
