using System.Text;

namespace NovaLxd.Virt.Storage.Archives;

/// <summary>The fields of one 512-byte tar header (POSIX ustar; GNU tar's variant with base-256 numbers), as a view over its bytes.</summary>
internal readonly ref struct TarHeader(ReadOnlySpan<byte> block)
{
    public const int Size = 512;

    private readonly ReadOnlySpan<byte> _block = block;

    public char Type => (char)_block[156];

    public long Mode => Number(100, 8, "mode");

    public long UserId => Number(108, 8, "uid");

    public long GroupId => Number(116, 8, "gid");

    public long Length => Number(124, 12, "size");

    public long Modified => Number(136, 12, "mtime");

    public long DeviceMajor => Number(329, 8, "devmajor");

    public long DeviceMinor => Number(337, 8, "devminor");

    public byte[] LinkName => Text(157, 100).ToArray();

    /// <summary>Old GNU sparse format: more map entries follow in a block of their own.</summary>
    public bool SparseContinues => _block[482] != 0;

    public long SparseRealSize => Number(483, 12, "realsize");

    /// <summary>The four map entries of the old GNU sparse format.</summary>
    public ReadOnlySpan<byte> SparseEntries => _block.Slice(386, 4 * 24);

    /// <summary>Prefix and name joined. GNU archives keep times where ustar has the prefix.</summary>
    public byte[] Name
    {
        get
        {
            var name = Text(0, 100);
            var prefix = _block.Slice(257, 6).SequenceEqual("ustar\0"u8) ? Text(345, 155) : default;
            return prefix.IsEmpty ? name.ToArray() : [.. prefix, (byte)'/', .. name];
        }
    }

    /// <summary>Whether a block is a header at all: its checksum, taken over signed or unsigned bytes, is right.</summary>
    public static bool HasValidChecksum(ReadOnlySpan<byte> block)
    {
        if (block.Length < Size || !TryNumber(block.Slice(148, 8), out var expected))
        {
            return false;
        }

        long unsigned = 0, signed = 0;
        for (var i = 0; i < Size; i++)
        {
            var value = i is >= 148 and < 156 ? (byte)' ' : block[i];
            unsigned += value;
            signed += (sbyte)value;
        }

        return expected == unsigned || expected == signed;
    }

    /// <summary>Octal digits between blanks and NULs, or base 256 where the highest bit is set.</summary>
    public static bool TryNumber(ReadOnlySpan<byte> field, out long value)
    {
        value = 0;
        if ((field[0] & 0x80) != 0)
        {
            // Two's complement, big-endian; the marker bit counts as sign extension for negative numbers only.
            var negative = field[0] == 0xFF;
            UInt128 bits = negative ? UInt128.MaxValue : (UInt128)(field[0] & 0x7F);
            foreach (var octet in field[1..])
            {
                bits = (bits << 8) | octet;
            }

            value = unchecked((long)(ulong)bits);
            return negative ? value < 0 : bits <= long.MaxValue;
        }

        var digits = field.Trim(" \0"u8);
        foreach (var digit in digits)
        {
            if (digit is < (byte)'0' or > (byte)'7' || value > long.MaxValue >> 3)
            {
                return false;
            }

            value = (value << 3) | (uint)(digit - '0');
        }

        return true;
    }

    private long Number(int offset, int length, string name) =>
        TryNumber(_block.Slice(offset, length), out var value)
            ? value
            : throw new ImageRejectedException($"The archive is damaged: {name} of member {ArchiveEntry.Printable(Text(0, 100))} is not a number.");

    private ReadOnlySpan<byte> Text(int offset, int length)
    {
        var field = _block.Slice(offset, length);
        var end = field.IndexOf((byte)0);
        return end < 0 ? field : field[..end];
    }
}
