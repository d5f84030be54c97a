using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Network;

/// <summary>
/// <c>quota:vif_inbound_*</c> and <c>quota:vif_outbound_*</c> on the host's end of a port, where the guest cannot reach them. What the guest receives is
/// what the host's end sends: a token bucket there. What the guest sends arrives at the host's end, and arriving packets cannot be queued: they take
/// a detour through an ifb device ("nlq...") with a token bucket of its own. Shaped rather than policed, so that TCP runs at the rate and not far below.
/// </summary>
internal static class PortRateLimit
{
    /// <summary>Tells our token buckets from those of Neutron's QoS extension.</summary>
    private const uint Handle = 0x4E4C0000;

    private const long BytesPerKilobyte = 1000;
    private const long BurstBytesPerKilobyte = 1024;
    private const int EthernetHeader = 14;

    /// <summary>Sets the limits of the port, and takes away those set earlier that it no longer has.</summary>
    public static void Apply(Rtnetlink rtnetlink, Link host, PortSpec port, Undo undo)
    {
        if (port.Inbound is null)
        {
            rtnetlink.DeleteTokenBucket(host.Index, Handle);
        }
        else
        {
            rtnetlink.SetTokenBucket(host.Index, Handle, Bucket(port.Inbound, port.Mtu));
        }

        if (port.Outbound is null)
        {
            RemoveDetour(rtnetlink, port);
            return;
        }

        var detour = rtnetlink.Find(DetourName(port));
        if (detour is null)
        {
            undo.Add(DetourName(port), _ =>
            {
                RemoveDetour(rtnetlink, port);
                return Task.CompletedTask;
            });
            rtnetlink.AddIfb(DetourName(port));
            detour = rtnetlink.Find(DetourName(port))
                ?? throw new PortPlugException($"Port {port.Id}: {DetourName(port)} was made and is gone. Something else on this host deletes interfaces.");
            NetworkSysctl.DisableIpv6(detour.Name);
        }

        rtnetlink.SetTokenBucket(detour.Index, Handle, Bucket(port.Outbound, port.Mtu));
        rtnetlink.SetUp(detour.Index);
        rtnetlink.RedirectReceived(host.Index, detour.Index);
    }

    /// <summary>What deleting the host's end leaves behind.</summary>
    public static void RemoveDetour(Rtnetlink rtnetlink, PortSpec port)
    {
        if (rtnetlink.Find(DetourName(port)) is not { Kind: "ifb" } detour)
        {
            return;
        }

        if (rtnetlink.Find(port.HostDevice) is { } host)
        {
            rtnetlink.StopRedirecting(host.Index);
        }

        rtnetlink.Delete(detour.Index);
    }

    /// <summary>
    /// Kilobytes of 1000 bytes per second and bursts in units of 1024 bytes, as libvirt hands them to tc. Without a burst a tenth of a second's worth;
    /// never less than two packets, or nothing would pass. A tenth of a second's worth more waits in the queue.
    /// </summary>
    internal static TokenBucket Bucket(PortRate rate, int mtu)
    {
        var average = rate.AverageKilobytesPerSecond * BytesPerKilobyte;
        var peak = rate.PeakKilobytesPerSecond * BytesPerKilobyte;
        var packets = 2L * (mtu + EthernetHeader);
        var burst = Clamp(rate.BurstKilobytes * BurstBytesPerKilobyte ?? average / 10, packets);
        var queue = Clamp(Math.Max(average / 10, 16 * packets), packets);
        // The kernel refuses a peak that is not above the average, where it would change nothing.
        return peak > average
            ? new TokenBucket(average, burst, queue, peak, Clamp(peak.Value / 100, packets))
            : new TokenBucket(average, burst, queue);
    }

    private static string DetourName(PortSpec port) => VethPort.DeviceName("nlq", port);

    private static uint Clamp(long bytes, long least) => (uint)Math.Clamp(bytes, least, int.MaxValue);
}
