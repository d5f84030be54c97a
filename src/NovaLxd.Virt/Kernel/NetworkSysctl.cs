namespace NovaLxd.Virt.Kernel;

/// <summary>Per-interface settings below /proc/sys/net, of the calling thread's network namespace.</summary>
internal static class NetworkSysctl
{
    /// <summary>No address, link-local ones included, and no IPv6 traffic of the host's own on this interface. Does nothing in a kernel without IPv6.</summary>
    public static void DisableIpv6(string device) => Write("ipv6", device, "disable_ipv6", "1");

    /// <summary>
    /// The host does not answer on this interface for addresses it has on others: requests only for addresses of the interface itself, announcements with
    /// the best local one (arp_ignore 1, arp_announce 2 in Documentation/networking/ip-sysctl).
    /// </summary>
    public static void FilterArp(string device)
    {
        Write("ipv4", device, "arp_ignore", "1");
        Write("ipv4", device, "arp_announce", "2");
    }

    private static void Write(string family, string device, string key, string value)
    {
        if (Directory.Exists($"/proc/sys/net/{family}/conf"))
        {
            File.WriteAllText($"/proc/sys/net/{family}/conf/{device}/{key}", value);
        }
    }
}
