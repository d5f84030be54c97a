using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace NovaLxd.Virt.Kernel;

/// <summary>
/// A netlink socket (netlink(7)) of the calling thread's network namespace, whichever thread uses it later. One request at a time; not thread-safe.
/// The kernel answers inside the send, so that a receive does not wait.
/// </summary>
internal sealed partial class Netlink : IDisposable
{
    public const int NETLINK_ROUTE = 0;

    private const int AF_NETLINK = 16;
    private const int SOCK_RAW = 3;
    private const int SOCK_CLOEXEC = 0x80000;
    private const int SOL_NETLINK = 270;
    private const int NETLINK_CAP_ACK = 10;
    private const int NETLINK_EXT_ACK = 11;
    private const int MSG_TRUNC = 0x20;
    private const int EINTR = 4;

    private const ushort NLMSG_ERROR = 2;
    private const ushort NLMSG_DONE = 3;
    private const ushort NLM_F_DUMP_INTR = 0x10;
    private const ushort NLM_F_CAPPED = 0x100;
    private const ushort NLM_F_ACK_TLVS = 0x200;
    private const ushort NLMSGERR_ATTR_MSG = 1;

    /// <summary>Attempts at a dump that changes under the reader's eyes before what was read last is taken.</summary>
    private const int DumpAttempts = 5;

    private readonly SafeFileHandle _socket;
    private readonly byte[] _received = new byte[64 * 1024];
    private uint _sequence;

    private Netlink(SafeFileHandle socket) => _socket = socket;

    internal delegate void MessageHandler(ushort type, ReadOnlySpan<byte> body);

    /// <exception cref="KernelException">No socket of this family here.</exception>
    public static Netlink Open(int protocol)
    {
        var descriptor = Socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
        if (descriptor < 0)
        {
            throw KernelException.Last("socket", "AF_NETLINK");
        }

        var socket = new SafeFileHandle(descriptor, ownsHandle: true);
        // Kernels without these options (before 4.12) say less about an error, and that is all.
        _ = SetSocketOption(socket, SOL_NETLINK, NETLINK_EXT_ACK, 1, sizeof(int));
        _ = SetSocketOption(socket, SOL_NETLINK, NETLINK_CAP_ACK, 1, sizeof(int));
        return new Netlink(socket);
    }

    /// <summary>Sends a request and waits until the kernel has carried it out; hands over what it answers besides.</summary>
    /// <param name="call">What is being done, for the error ("RTM_NEWLINK").</param>
    /// <exception cref="KernelException">With the kernel's own text where it gives one.</exception>
    public void Request(NetlinkMessage message, string call, string? target, MessageHandler? handler = null)
    {
        Send(message.Finish(++_sequence), call, target);
        Receive(call, target, handler);
    }

    /// <summary>All of a kind. <paramref name="restart"/> is called when the kernel's list changed meanwhile and it is read again from the start.</summary>
    public void Dump(NetlinkMessage message, string call, Action restart, MessageHandler handler)
    {
        for (var attempt = 1; ; attempt++)
        {
            Send(message.Finish(++_sequence), call, null);
            if (!Receive(call, null, handler) || attempt == DumpAttempts)
            {
                return;
            }

            restart();
        }
    }

    public void Dispose() => _socket.Dispose();

    private void Send(ReadOnlySpan<byte> message, string call, string? target)
    {
        while (Send(_socket, message, (nuint)message.Length, 0) < 0)
        {
            if (Marshal.GetLastPInvokeError() != EINTR)
            {
                throw KernelException.Last(call, target);
            }
        }
    }

    /// <returns>Whether a dump was interrupted by a change.</returns>
    private bool Receive(string call, string? target, MessageHandler? handler)
    {
        var interrupted = false;
        while (true)
        {
            var length = (int)Receive(_socket, _received, (nuint)_received.Length, MSG_TRUNC);
            if (length < 0)
            {
                if (Marshal.GetLastPInvokeError() == EINTR)
                {
                    continue;
                }

                throw KernelException.Last(call, target);
            }

            if (length > _received.Length)
            {
                throw new InvalidOperationException($"{call}: an answer of {length} bytes, where the kernel sends at most {_received.Length}.");
            }

            ReadOnlySpan<byte> rest = _received.AsSpan(0, length);
            while (rest.Length >= NetlinkMessage.HeaderLength)
            {
                var messageLength = MemoryMarshal.Read<int>(rest);
                var type = MemoryMarshal.Read<ushort>(rest[4..]);
                var flags = MemoryMarshal.Read<ushort>(rest[6..]);
                var sequence = MemoryMarshal.Read<uint>(rest[8..]);
                var body = rest[NetlinkMessage.HeaderLength..messageLength];
                rest = rest[Math.Min(NetlinkMessage.Align(messageLength), rest.Length)..];
                if (sequence != _sequence)
                {
                    // The rest of an answer whose reader gave up.
                    continue;
                }

                interrupted |= (flags & NLM_F_DUMP_INTR) != 0;
                if (type is NLMSG_ERROR or NLMSG_DONE)
                {
                    ThrowIfFailed(type, flags, body, call, target);
                    return interrupted;
                }

                handler?.Invoke(type, body);
            }
        }
    }

    private static void ThrowIfFailed(ushort type, ushort flags, ReadOnlySpan<byte> body, string call, string? target)
    {
        var errno = body.Length >= sizeof(int) ? -MemoryMarshal.Read<int>(body) : 0;
        if (errno <= 0)
        {
            return;
        }

        string? detail = null;
        if ((flags & NLM_F_ACK_TLVS) != 0)
        {
            // struct nlmsgerr: errno, the request's header, and the request itself unless it was left off.
            var request = type == NLMSG_DONE || body.Length < 8 ? 0
                : (flags & NLM_F_CAPPED) != 0 ? NetlinkMessage.HeaderLength
                : NetlinkMessage.Align(MemoryMarshal.Read<int>(body[4..]));
            var attributes = new NetlinkAttributes(body[Math.Min(sizeof(int) + request, body.Length)..]);
            while (attributes.MoveNext())
            {
                if (attributes.Type == NLMSGERR_ATTR_MSG)
                {
                    detail = attributes.Text();
                }
            }
        }

        throw new KernelException(errno, call, target, detail);
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int Socket(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    private static partial int SetSocketOption(SafeFileHandle socket, int level, int name, in int value, uint length);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(SafeFileHandle socket, ReadOnlySpan<byte> buffer, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static partial nint Receive(SafeFileHandle socket, Span<byte> buffer, nuint length, int flags);
}
