using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>A network interface as rtnetlink(7) describes it.</summary>
internal sealed record Link
{
    public required int Index { get; init; }

    public required string Name { get; init; }

    /// <summary>"veth", "bridge", "tun", "ifb" ...; null for hardware and loopback.</summary>
    public string? Kind { get; init; }

    /// <summary>Lower-case hexadecimal with colons; empty for interfaces without an address.</summary>
    public string MacAddress { get; init; } = "";

    public int Mtu { get; init; }

    /// <summary>Administratively up (IFF_UP).</summary>
    public bool IsUp { get; init; }

    public bool IsPromiscuous { get; init; }

    /// <summary>Index of the bridge or other device it is enslaved to; 0: none.</summary>
    public int Master { get; init; }

    /// <summary>Index of the other end of a veth pair, in <see cref="PeerNamespaceId"/>; 0: none.</summary>
    public int Peer { get; init; }

    /// <summary>Null: the other end is in the same network namespace. -1: in one that has no id here or is being torn down.</summary>
    public int? PeerNamespaceId { get; init; }

    public LinkStatistics Statistics { get; init; }
}

/// <summary>The first eight counters of struct rtnl_link_stats64, from the host's point of view.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct LinkStatistics(
    ulong ReceivedPackets, ulong SentPackets, ulong ReceivedBytes, ulong SentBytes, ulong ReceivedErrors, ulong SentErrors, ulong ReceivedDropped,
    ulong SentDropped);

/// <summary>One end of a veth pair to be made. <paramref name="MacAddress"/> null: the kernel makes one up.</summary>
internal sealed record VethEnd(string Name, string? MacAddress, int Mtu);

/// <summary>A bridge to be made: no spanning tree, no forward delay, no multicast snooping. <paramref name="Ageing"/> null: 300 s.</summary>
internal sealed record BridgeSettings(string Name, TimeSpan? Ageing = null);
