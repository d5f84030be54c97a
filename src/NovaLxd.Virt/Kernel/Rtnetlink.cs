using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>
/// Network interfaces by rtnetlink(7), in the network namespace the calling thread was in when it was opened. Names are those of linux/if_link.h.
/// Not thread-safe: open one for a piece of work, it costs two system calls. All methods throw <see cref="KernelException"/> with the kernel's own
/// words where it gives any.
/// </summary>
internal sealed partial class Rtnetlink : IDisposable
{
    /// <summary>Longest name of an interface (IFNAMSIZ less the NUL).</summary>
    public const int MaxNameLength = 15;

    private const ushort RTM_NEWLINK = 16;
    private const ushort RTM_DELLINK = 17;
    private const ushort RTM_GETLINK = 18;
    private const ushort RTM_SETLINK = 19;

    private const ushort IFLA_ADDRESS = 1;
    private const ushort IFLA_IFNAME = 3;
    private const ushort IFLA_MTU = 4;
    private const ushort IFLA_LINK = 5;
    private const ushort IFLA_MASTER = 10;
    private const ushort IFLA_LINKINFO = 18;
    private const ushort IFLA_NET_NS_PID = 19;
    private const ushort IFLA_STATS64 = 23;
    private const ushort IFLA_NET_NS_FD = 28;
    private const ushort IFLA_LINK_NETNSID = 37;
    private const ushort IFLA_INFO_KIND = 1;
    private const ushort IFLA_INFO_DATA = 2;
    private const ushort VETH_INFO_PEER = 1;
    private const ushort IFLA_BR_FORWARD_DELAY = 1;
    private const ushort IFLA_BR_AGEING_TIME = 4;
    private const ushort IFLA_BR_STP_STATE = 5;
    private const ushort IFLA_BR_MCAST_SNOOPING = 23;

    private const uint IFF_UP = 0x1;
    private const uint IFF_PROMISC = 0x100;

    private const int ENODEV = 19;

    private readonly Netlink _netlink;

    private Rtnetlink(Netlink netlink) => _netlink = netlink;

    /// <summary>Of the calling thread's network namespace.</summary>
    public static Rtnetlink Open() => new(Netlink.Open(Netlink.NETLINK_ROUTE));

    public void Dispose() => _netlink.Dispose();

    public IReadOnlyList<Link> List()
    {
        var links = new List<Link>();
        _netlink.Dump(
            new NetlinkMessage(RTM_GETLINK, NetlinkMessage.NLM_F_DUMP).Body(new InterfaceHeader()),
            "RTM_GETLINK",
            links.Clear,
            (_, body) => links.Add(Parse(body)));
        return links;
    }

    /// <summary>Null when there is none of this name.</summary>
    public Link? Find(string name)
        => Get(new NetlinkMessage(RTM_GETLINK, NetlinkMessage.NLM_F_ACK).Body(new InterfaceHeader()).Attribute(IFLA_IFNAME, name), name);

    public Link? Find(int index)
        => Get(new NetlinkMessage(RTM_GETLINK, NetlinkMessage.NLM_F_ACK).Body(new InterfaceHeader { Index = index }), Target(index));

    /// <summary>Both ends with all they need in one message: a name is never seen with the wrong address. Both are down.</summary>
    public void AddVethPair(VethEnd end, VethEnd peer)
        => Add(End(NewLink(), end), end.Name, "veth", data => data.Nest(VETH_INFO_PEER, info => End(info.Body(new InterfaceHeader()), peer)));

    /// <summary>The bridge is down.</summary>
    public void AddBridge(BridgeSettings bridge)
        => Add(NewLink().Attribute(IFLA_IFNAME, bridge.Name), bridge.Name, "bridge", data =>
        {
            data.Attribute(IFLA_BR_FORWARD_DELAY, 0u).Attribute(IFLA_BR_STP_STATE, 0u).Attribute(IFLA_BR_MCAST_SNOOPING, (byte)0);
            if (bridge.Ageing is { } ageing)
            {
                // In hundredths of a second (clock_t).
                data.Attribute(IFLA_BR_AGEING_TIME, (uint)(ageing.TotalMilliseconds / 10));
            }
        });

    /// <summary>An intermediate functional block: what is redirected to it passes its queueing discipline and goes on where it was.</summary>
    public void AddIfb(string name) => Add(NewLink().Attribute(IFLA_IFNAME, name), name, "ifb", null);

    public void SetUp(int index) => SetFlags(index, IFF_UP, IFF_UP);

    public void SetDown(int index) => SetFlags(index, 0, IFF_UP);

    public void SetPromiscuous(int index) => SetFlags(index, IFF_PROMISC, IFF_PROMISC);

    public void SetMtu(int index, int mtu) => Set(index, link => link.Attribute(IFLA_MTU, (uint)mtu));

    public void SetMacAddress(int index, string macAddress) => Set(index, link => link.Attribute(IFLA_ADDRESS, MacBytes(macAddress)));

    /// <summary>Enslaves to the bridge with index <paramref name="master"/>; 0: frees.</summary>
    public void SetMaster(int index, int master) => Set(index, link => link.Attribute(IFLA_MASTER, master));

    /// <summary>The interface has to be down (EBUSY).</summary>
    public void Rename(int index, string name) => Set(index, link => link.Attribute(IFLA_IFNAME, name));

    /// <summary>Moves the interface into the network namespace of a process and names it there; it arrives down.</summary>
    public void MoveToNamespace(int index, int pid, string newName)
        => Set(index, link => link.Attribute(IFLA_NET_NS_PID, pid).Attribute(IFLA_IFNAME, newName));

    /// <summary>The same by an open descriptor of the namespace (/proc/PID/ns/net).</summary>
    public void MoveToNamespace(int index, SafeHandle networkNamespace, string newName)
    {
        var held = false;
        try
        {
            networkNamespace.DangerousAddRef(ref held);
            var descriptor = (int)networkNamespace.DangerousGetHandle();
            Set(index, link => link.Attribute(IFLA_NET_NS_FD, descriptor).Attribute(IFLA_IFNAME, newName));
        }
        finally
        {
            if (held)
            {
                networkNamespace.DangerousRelease();
            }
        }
    }

    /// <summary>Deletes; both ends when it is one of a veth pair. What is gone already is no error: the other end's namespace may have died just now.</summary>
    public void Delete(int index)
    {
        try
        {
            _netlink.Request(
                new NetlinkMessage(RTM_DELLINK, NetlinkMessage.NLM_F_ACK).Body(new InterfaceHeader { Index = index }), "RTM_DELLINK", Target(index));
        }
        catch (KernelException e) when (e.Errno == ENODEV)
        {
        }
    }

    private static NetlinkMessage NewLink()
        => new NetlinkMessage(RTM_NEWLINK, NetlinkMessage.NLM_F_ACK | NetlinkMessage.NLM_F_CREATE | NetlinkMessage.NLM_F_EXCL).Body(new InterfaceHeader());

    private static NetlinkMessage End(NetlinkMessage message, VethEnd end)
    {
        message.Attribute(IFLA_IFNAME, end.Name).Attribute(IFLA_MTU, (uint)end.Mtu);
        return end.MacAddress is null ? message : message.Attribute(IFLA_ADDRESS, MacBytes(end.MacAddress));
    }

    private void Add(NetlinkMessage message, string name, string kind, Action<NetlinkMessage>? data)
        => _netlink.Request(
            message.Nest(IFLA_LINKINFO, info =>
            {
                info.Attribute(IFLA_INFO_KIND, kind);
                if (data is not null)
                {
                    info.Nest(IFLA_INFO_DATA, data);
                }
            }),
            $"RTM_NEWLINK {kind}",
            name);

    private void Set(int index, Action<NetlinkMessage> attributes)
    {
        var message = new NetlinkMessage(RTM_SETLINK, NetlinkMessage.NLM_F_ACK).Body(new InterfaceHeader { Index = index });
        attributes(message);
        _netlink.Request(message, "RTM_SETLINK", Target(index));
    }

    private void SetFlags(int index, uint flags, uint change)
        => _netlink.Request(
            new NetlinkMessage(RTM_SETLINK, NetlinkMessage.NLM_F_ACK).Body(new InterfaceHeader { Index = index, Flags = flags, Change = change }),
            "RTM_SETLINK",
            Target(index));

    private Link? Get(NetlinkMessage request, string target)
    {
        Link? link = null;
        try
        {
            _netlink.Request(request, "RTM_GETLINK", target, (_, body) => link = Parse(body));
            return link;
        }
        catch (KernelException e) when (e.Errno == ENODEV)
        {
            return null;
        }
    }

    private static Link Parse(ReadOnlySpan<byte> body)
    {
        var header = MemoryMarshal.Read<InterfaceHeader>(body);
        var link = new Link
        {
            Index = header.Index,
            Name = "",
            IsUp = (header.Flags & IFF_UP) != 0,
            IsPromiscuous = (header.Flags & IFF_PROMISC) != 0,
        };
        var attributes = new NetlinkAttributes(body[Unsafe.SizeOf<InterfaceHeader>()..]);
        while (attributes.MoveNext())
        {
            link = attributes.Type switch
            {
                IFLA_IFNAME => link with { Name = attributes.Text() },
                IFLA_ADDRESS => link with { MacAddress = MacText(attributes.Value) },
                IFLA_MTU => link with { Mtu = attributes.Int32() },
                IFLA_MASTER => link with { Master = attributes.Int32() },
                IFLA_LINK => link with { Peer = attributes.Int32() },
                IFLA_LINK_NETNSID => link with { PeerNamespaceId = attributes.Int32() },
                IFLA_LINKINFO => link with { Kind = ParseKind(attributes.Value) },
                IFLA_STATS64 => link with { Statistics = MemoryMarshal.Read<LinkStatistics>(attributes.Value) },
                _ => link,
            };
        }

        return link;
    }

    private static string? ParseKind(ReadOnlySpan<byte> linkInfo)
    {
        var attributes = new NetlinkAttributes(linkInfo);
        while (attributes.MoveNext())
        {
            if (attributes.Type == IFLA_INFO_KIND)
            {
                return attributes.Text();
            }
        }

        return null;
    }

    private static byte[] MacBytes(string macAddress) => Convert.FromHexString(macAddress.Replace(":", "", StringComparison.Ordinal));

    private static string MacText(ReadOnlySpan<byte> address)
        => string.Join(':', address.ToArray().Select(b => b.ToString("x2", CultureInfo.InvariantCulture)));

    private static string Target(int index) => string.Create(CultureInfo.InvariantCulture, $"interface {index}");

    /// <summary>struct ifinfomsg.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct InterfaceHeader
    {
        public byte Family;
        public byte Padding;
        public ushort Type;
        public int Index;
        public uint Flags;
        public uint Change;
    }
}
