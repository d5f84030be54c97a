using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Network;

/// <summary>
/// Linux bridges as os-vif makes them and the Neutron agent finds them: no spanning tree, no forward delay, no multicast snooping, no address of the
/// host's own (IPv6 off, ARP filtered). Their MTU is the kernel's own choice, the least of the ports': setting one would keep it from following.
/// </summary>
internal static class LinuxBridges
{
    private const int EEXIST = 17;

    /// <summary>The bridge, up. Another that makes it at the same moment is no error.</summary>
    /// <param name="made">Whether it was not there before.</param>
    /// <exception cref="PortPlugException">The name belongs to something else.</exception>
    public static Link Ensure(Rtnetlink rtnetlink, BridgeSettings settings, out bool made)
    {
        made = false;
        var bridge = rtnetlink.Find(settings.Name);
        if (bridge is null)
        {
            bridge = Make(rtnetlink, settings, out made);
        }

        Check(bridge);
        // The Neutron agent may have made it just now and not have come to this yet.
        if (!bridge.IsUp)
        {
            rtnetlink.SetUp(bridge.Index);
        }

        return bridge;
    }

    /// <exception cref="PortPlugException">It is no Linux bridge.</exception>
    public static void Check(Link bridge)
    {
        if (bridge.Kind != "bridge")
        {
            throw new PortPlugException(
                $"{bridge.Name} is a {bridge.Kind ?? "physical"} device and not a Linux bridge. Check which mechanism driver bound the port, " +
                "and the bridge_mappings of the agent on this host.");
        }
    }

    private static Link Make(Rtnetlink rtnetlink, BridgeSettings settings, out bool made)
    {
        try
        {
            rtnetlink.AddBridge(settings);
            made = true;
        }
        catch (KernelException e) when (e.Errno == EEXIST)
        {
            made = false;
        }

        var bridge = rtnetlink.Find(settings.Name)
            ?? throw new PortPlugException($"Bridge {settings.Name} was made and is gone. Something else on this host deletes interfaces.");
        if (made)
        {
            NetworkSysctl.DisableIpv6(bridge.Name);
            NetworkSysctl.FilterArp(bridge.Name);
        }

        return bridge;
    }
}
