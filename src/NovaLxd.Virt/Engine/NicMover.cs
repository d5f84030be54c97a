using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Net.NetworkInformation;
using System.Text;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt.Engine;

/// <summary>
/// Moves the guest ends of ports between network namespaces (rtnetlink(7)): from the host into a container, from a container's old namespace into its new
/// one when it reboots, and back to the host when it ends, so that the host ends, which belong to somebody else, live on. In one message each: namespace,
/// name, MAC address and MTU.
/// </summary>
internal static class NicMover
{
    private const ushort RTM_NEWLINK = 16;
    private const ushort RTM_GETLINK = 18;
    private const ushort NLM_F_REQUEST = 1;
    private const ushort NLM_F_ACK = 4;
    private const ushort NLMSG_ERROR = 2;
    private const ushort IFLA_ADDRESS = 1;
    private const ushort IFLA_IFNAME = 3;
    private const ushort IFLA_MTU = 4;
    private const ushort IFLA_LINK = 5;
    private const ushort IFLA_NET_NS_FD = 28;
    private const ushort IFLA_LINK_NETNSID = 37;
    private const int HeaderSize = 16;
    private const int LinkHeaderSize = 16;

    /// <summary>From the host, where it waits as <see cref="ContainerNic.PeerDevice"/>, into <paramref name="target"/>.</summary>
    public static void MoveIn(ContainerNic nic, FileDescriptor target)
    {
        using var netlink = OpenNetlink();
        var link = Find(netlink, 0, nic.PeerDevice) ?? throw new KernelException(Errno.ENODEV, "RTM_GETLINK", nic.PeerDevice);
        Move(netlink, link.Index, nic, target, nic.GuestName);
    }

    /// <summary>The same for a container that runs, where an earlier supervisor may have moved it before it died: then nothing is to be done.</summary>
    public static void EnsureIn(ContainerNic nic, FileDescriptor target)
    {
        using var netlink = OpenNetlink();
        if (Find(netlink, 0, nic.PeerDevice) is { } waiting)
        {
            Move(netlink, waiting.Index, nic, target, nic.GuestName);
            return;
        }

        using var inside = OpenIn(target);
        if (Find(netlink, 0, nic.HostDevice) is not { } hostEnd || FindGuestEnd(inside, hostEnd) is null)
        {
            throw new KernelException(Errno.ENODEV, "RTM_GETLINK", nic.PeerDevice);
        }
    }

    /// <summary>
    /// From a container's namespace into another. The guest may have renamed it, so it is found by the host's end, whose peer it is.
    /// </summary>
    /// <returns>False: it is not there (the guest has deleted it, or moved it on into a namespace of its own).</returns>
    public static bool MoveOn(ContainerNic nic, FileDescriptor source, FileDescriptor target, string name)
    {
        Link? hostEnd;
        using (var host = OpenNetlink())
        {
            hostEnd = Find(host, 0, nic.HostDevice);
        }

        using var netlink = OpenIn(source);
        if (hostEnd is null || FindGuestEnd(netlink, hostEnd) is not { } guestEnd)
        {
            return false;
        }

        Move(netlink, guestEnd.Index, nic, target, name);
        return true;
    }

    /// <summary>The namespace of this process.</summary>
    public static FileDescriptor OpenOwnNamespace() => Fcntl.open("/proc/thread-self/ns/net", Fcntl.O_RDONLY | Fcntl.O_CLOEXEC);

    /// <summary>Null when the process has ended (one that nobody has reaped yet has no namespaces any more).</summary>
    public static FileDescriptor? TryOpenNamespace(int pid) =>
        Fcntl.TryOpen($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/ns/net", Fcntl.O_RDONLY | Fcntl.O_CLOEXEC);

    /// <summary>A socket belongs to the namespace its thread was in when it was made.</summary>
    private static FileDescriptor OpenIn(FileDescriptor networkNamespace)
    {
        using var own = OpenOwnNamespace();
        Sched.setns(networkNamespace, Sched.CLONE_NEWNET, "network namespace of the container");
        try
        {
            return OpenNetlink();
        }
        finally
        {
            Sched.setns(own, Sched.CLONE_NEWNET, "own network namespace");
        }
    }

    private static FileDescriptor OpenNetlink() => SysSocket.socket(SysSocket.AF_NETLINK, SysSocket.SOCK_RAW | SysSocket.SOCK_CLOEXEC, 0);

    private static void Move(FileDescriptor netlink, int index, ContainerNic nic, FileDescriptor target, string name)
    {
        var message = new LinkMessage(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, index);
        message.Add(IFLA_NET_NS_FD, BitConverter.GetBytes(target.Number));
        message.Add(IFLA_IFNAME, [.. Encoding.ASCII.GetBytes(name), 0]);
        message.Add(IFLA_ADDRESS, PhysicalAddress.Parse(nic.MacAddress.Replace(':', '-').ToUpperInvariant()).GetAddressBytes());
        message.Add(IFLA_MTU, BitConverter.GetBytes(nic.Mtu));
        var error = Ask(netlink, message, out _);
        if (error != 0)
        {
            throw new KernelException(error, "RTM_NEWLINK", $"{nic.PeerDevice} as {name}");
        }
    }

    /// <summary>The peer of a host's end, if it is in the namespace of this socket: an index alone could be that of something else there.</summary>
    private static Link? FindGuestEnd(FileDescriptor netlink, Link hostEnd) =>
        hostEnd.PeerElsewhere && Find(netlink, hostEnd.Peer, null) is { PeerElsewhere: true } guestEnd && guestEnd.Peer == hostEnd.Index ? guestEnd : null;

    /// <summary>By index, or by name when that is 0. IFLA_LINK of a veth is its peer's index; IFLA_LINK_NETNSID is there when that is in another namespace.</summary>
    private static Link? Find(FileDescriptor netlink, int index, string? name)
    {
        var message = new LinkMessage(RTM_GETLINK, NLM_F_REQUEST, index);
        if (name is not null)
        {
            message.Add(IFLA_IFNAME, [.. Encoding.ASCII.GetBytes(name), 0]);
        }

        if (Ask(netlink, message, out var answer) != 0)
        {
            return null;
        }

        var (peer, elsewhere) = (0, false);
        for (var offset = HeaderSize + LinkHeaderSize; offset + 4 <= answer.Length;)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(answer.AsSpan(offset));
            switch (BinaryPrimitives.ReadUInt16LittleEndian(answer.AsSpan(offset + 2)))
            {
                case IFLA_LINK:
                    peer = BinaryPrimitives.ReadInt32LittleEndian(answer.AsSpan(offset + 4));
                    break;
                case IFLA_LINK_NETNSID:
                    elsewhere = true;
                    break;
            }

            offset += Math.Max(4, (length + 3) & ~3);
        }

        return new Link(BinaryPrimitives.ReadInt32LittleEndian(answer.AsSpan(HeaderSize + 4)), peer, elsewhere);
    }

    /// <returns>0 or errno.</returns>
    private static int Ask(FileDescriptor netlink, LinkMessage message, out byte[] answer)
    {
        SysSocket.Send(netlink.Number, message.Finish());
        var buffer = ArrayPool<byte>.Shared.Rent(32 * 1024);
        try
        {
            answer = buffer[..(SysSocket.Receive(netlink.Number, buffer, []) ?? 0)];
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return BinaryPrimitives.ReadUInt16LittleEndian(answer.AsSpan(4)) == NLMSG_ERROR ? -BinaryPrimitives.ReadInt32LittleEndian(answer.AsSpan(HeaderSize)) : 0;
    }

    private sealed record Link(int Index, int Peer, bool PeerElsewhere);

    /// <summary>struct nlmsghdr, struct ifinfomsg, and attributes, each padded to four bytes.</summary>
    private sealed class LinkMessage
    {
        private readonly List<byte> _bytes = [];

        public LinkMessage(ushort type, ushort flags, int index)
        {
            _bytes.AddRange(new byte[4]);
            _bytes.AddRange(BitConverter.GetBytes(type));
            _bytes.AddRange(BitConverter.GetBytes(flags));
            _bytes.AddRange(new byte[8 + 4]);
            _bytes.AddRange(BitConverter.GetBytes(index));
            _bytes.AddRange(new byte[8]);
        }

        public void Add(ushort type, byte[] content)
        {
            _bytes.AddRange(BitConverter.GetBytes((ushort)(4 + content.Length)));
            _bytes.AddRange(BitConverter.GetBytes(type));
            _bytes.AddRange(content);
            _bytes.AddRange(new byte[((content.Length + 3) & ~3) - content.Length]);
        }

        public byte[] Finish()
        {
            var message = _bytes.ToArray();
            BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
            return message;
        }
    }
}
