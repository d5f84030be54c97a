using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Network;

/// <summary>
/// vif type "ovs" with the iptables firewall driver: the host's end goes into a Linux bridge of its own ("qbr..."), on which the agent's rules act, and a
/// second veth pair ("qvb...", "qvo...") leads from there to the integration bridge. Source: os-vif's vif_plug_ovs, _plug_bridge.
/// </summary>
internal sealed class OvsHybridPlug(Ovsdb ovsdb, ILogger<OvsHybridPlug> logger) : IPortPlug
{
    /// <summary>Whether this is how the port was plugged, whatever it says now.</summary>
    public static bool IsPlugged(PortSpec port)
    {
        using var rtnetlink = Rtnetlink.Open();
        return rtnetlink.Find(BridgeName(port)) is not null;
    }

    /// (1) veth pair of the guest  (2) bridge  (3) guest into the bridge  (4) veth pair to the integration bridge  (5) into it  (6) rate limits
    public async Task<ContainerNic> PlugAsync(PortSpec port, string guestName, CancellationToken cancellationToken)
    {
        try
        {
            using var rtnetlink = Rtnetlink.Open();
            await using var undo = new Undo(logger);

            // (1)
            var host = VethPort.Ensure(rtnetlink, port, undo);
            NetworkSysctl.DisableIpv6(host.Name);

            // (2) Without ageing it forgets nothing and floods: no packet is lost when the guest moves to or from another host.
            var bridge = LinuxBridges.Ensure(rtnetlink, new BridgeSettings(BridgeName(port), TimeSpan.Zero), out var made);
            if (made)
            {
                undo.Add(bridge.Name, Deletion(rtnetlink, bridge.Name));
            }

            // (3)
            Enslave(rtnetlink, host, bridge);
            rtnetlink.SetUp(host.Index);

            // (4)
            var uplink = EnsureUplink(rtnetlink, port, bridge, undo);

            // (5)
            if (host.PeerNamespaceId is null)
            {
                undo.Add($"Open vSwitch port {uplink}", token => ovsdb.DeletePortAsync(port, uplink, token));
            }

            await ovsdb.EnsurePortAsync(port, uplink, limitRates: false, cancellationToken);

            // (6)
            PortRateLimit.Apply(rtnetlink, host, port, undo);
            undo.Keep();
            return VethPort.Nic(port, guestName);
        }
        catch (Exception e) when (e is KernelException or IOException or UnauthorizedAccessException)
        {
            throw new PortPlugException($"Port {port.Id} ({port.HostDevice}) could not be plugged into {port.Bridge} by {BridgeName(port)}: {e.Message}", e);
        }
    }

    public async Task UnplugAsync(PortSpec port, CancellationToken cancellationToken)
    {
        using var rtnetlink = Rtnetlink.Open();
        await ovsdb.DeletePortAsync(port, UplinkName(port), cancellationToken);
        await Deletion(rtnetlink, UplinkName(port))(cancellationToken);
        VethPort.Remove(rtnetlink, port);
        await Deletion(rtnetlink, BridgeName(port))(cancellationToken);
    }

    /// <returns>Name of the end for the integration bridge.</returns>
    private static string EnsureUplink(Rtnetlink rtnetlink, PortSpec port, Link bridge, Undo undo)
    {
        var (downName, upName) = (VethPort.DeviceName("qvb", port), UplinkName(port));
        if (rtnetlink.Find(downName) is null || rtnetlink.Find(upName) is null)
        {
            undo.Add(upName, Deletion(rtnetlink, upName));
            rtnetlink.AddVethPair(new VethEnd(downName, null, port.Mtu), new VethEnd(upName, null, port.Mtu));
        }

        foreach (var name in (string[])[downName, upName])
        {
            var end = rtnetlink.Find(name)
                ?? throw new PortPlugException($"Port {port.Id}: {name} was made and is gone. Something else on this host deletes interfaces.");
            if (end.Mtu != port.Mtu)
            {
                rtnetlink.SetMtu(end.Index, port.Mtu);
            }

            if (name == downName)
            {
                Enslave(rtnetlink, end, bridge);
            }

            rtnetlink.SetPromiscuous(end.Index);
            rtnetlink.SetUp(end.Index);
        }

        return upName;
    }

    private static void Enslave(Rtnetlink rtnetlink, Link link, Link bridge)
    {
        if (link.Master != bridge.Index)
        {
            rtnetlink.SetMaster(link.Index, bridge.Index);
        }
    }

    private static Func<CancellationToken, Task> Deletion(Rtnetlink rtnetlink, string name) => _ =>
    {
        if (rtnetlink.Find(name) is { } link)
        {
            rtnetlink.Delete(link.Index);
        }

        return Task.CompletedTask;
    };

    private static string BridgeName(PortSpec port) => VethPort.DeviceName("qbr", port);

    private static string UplinkName(PortSpec port) => VethPort.DeviceName("qvo", port);
}
