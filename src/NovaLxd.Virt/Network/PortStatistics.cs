using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Network;

/// <summary>Counters of a port.</summary>
internal static class PortStatistics
{
    /// <summary>As the guest sees them: what the host's end has sent is what the guest has received. Null when the port is not plugged here.</summary>
    public static PortUsage? Read(PortSpec port)
    {
        using var rtnetlink = Rtnetlink.Open();
        return rtnetlink.Find(port.HostDevice) is not { } host
            ? null
            : new PortUsage(
                port.Id,
                port.MacAddress,
                (long)host.Statistics.SentBytes,
                (long)host.Statistics.SentPackets,
                (long)host.Statistics.SentErrors,
                (long)host.Statistics.SentDropped,
                (long)host.Statistics.ReceivedBytes,
                (long)host.Statistics.ReceivedPackets,
                (long)host.Statistics.ReceivedErrors,
                (long)host.Statistics.ReceivedDropped);
    }
}
