using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace NovaLxd.Virt.Kernel;

/// <summary>A netlink request being written: header, the family's own header, then attributes, nested where asked (netlink(7)).</summary>
internal sealed class NetlinkMessage
{
    public const ushort NLM_F_REQUEST = 0x1;
    public const ushort NLM_F_ACK = 0x4;
    public const ushort NLM_F_REPLACE = 0x100;
    public const ushort NLM_F_EXCL = 0x200;
    public const ushort NLM_F_DUMP = 0x300;
    public const ushort NLM_F_CREATE = 0x400;

    internal const int HeaderLength = 16;
    private const int AttributeHeaderLength = 4;

    private byte[] _buffer = new byte[512];
    private int _length = HeaderLength;

    public NetlinkMessage(ushort type, ushort flags)
    {
        MemoryMarshal.Write(_buffer.AsSpan(4), type);
        MemoryMarshal.Write(_buffer.AsSpan(6), (ushort)(flags | NLM_F_REQUEST));
    }

    internal ushort Flags => MemoryMarshal.Read<ushort>(_buffer.AsSpan(6));

    /// <summary>The family's fixed header, straight after netlink's.</summary>
    public NetlinkMessage Body<T>(T value)
        where T : unmanaged
    {
        MemoryMarshal.Write(Reserve(Unsafe.SizeOf<T>()), value);
        return this;
    }

    public NetlinkMessage Attribute<T>(ushort type, T value)
        where T : unmanaged
        => Attribute(type, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)));

    /// <summary>Text, closed by a NUL as the kernel wants it.</summary>
    public NetlinkMessage Attribute(ushort type, string value) => Attribute(type, Encoding.UTF8.GetBytes(value + '\0'));

    public NetlinkMessage Attribute(ushort type, ReadOnlySpan<byte> value)
    {
        var attribute = Reserve(AttributeHeaderLength + value.Length);
        MemoryMarshal.Write(attribute, (ushort)(AttributeHeaderLength + value.Length));
        MemoryMarshal.Write(attribute[2..], type);
        value.CopyTo(attribute[AttributeHeaderLength..]);
        return this;
    }

    /// <summary>Everything <paramref name="content"/> writes becomes the value of one attribute.</summary>
    public NetlinkMessage Nest(ushort type, Action<NetlinkMessage> content)
    {
        var start = _length;
        Attribute(type, ReadOnlySpan<byte>.Empty);
        content(this);
        MemoryMarshal.Write(_buffer.AsSpan(start), (ushort)(_length - start));
        return this;
    }

    /// <summary>The finished message; valid until the next change.</summary>
    internal ReadOnlySpan<byte> Finish(uint sequence)
    {
        MemoryMarshal.Write(_buffer, (uint)_length);
        MemoryMarshal.Write(_buffer.AsSpan(8), sequence);
        return _buffer.AsSpan(0, _length);
    }

    internal static int Align(int length) => (length + 3) & ~3;

    private Span<byte> Reserve(int length)
    {
        var start = _length;
        _length += Align(length);
        if (_length > _buffer.Length)
        {
            Array.Resize(ref _buffer, Math.Max(_length, 2 * _buffer.Length));
        }

        return _buffer.AsSpan(start, length);
    }
}

/// <summary>Walks the attributes of a received message or of a nest in one; ends at the first that is cut off.</summary>
internal ref struct NetlinkAttributes(ReadOnlySpan<byte> data)
{
    private const ushort NLA_TYPE_MASK = 0x3fff;

    private ReadOnlySpan<byte> _rest = data;

    public ushort Type { get; private set; }

    public ReadOnlySpan<byte> Value { get; private set; }

    public bool MoveNext()
    {
        if (_rest.Length < 4)
        {
            return false;
        }

        var length = MemoryMarshal.Read<ushort>(_rest);
        if (length < 4 || length > _rest.Length)
        {
            return false;
        }

        Type = (ushort)(MemoryMarshal.Read<ushort>(_rest[2..]) & NLA_TYPE_MASK);
        Value = _rest[4..length];
        _rest = _rest[Math.Min(NetlinkMessage.Align(length), _rest.Length)..];
        return true;
    }

    public readonly string Text() => Encoding.UTF8.GetString(Value.TrimEnd((byte)0));

    public readonly int Int32() => MemoryMarshal.Read<int>(Value);
}
