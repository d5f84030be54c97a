using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Network;

/// <summary>
/// The veth pair of a port, common to all plugs: the host's end under the name the Neutron agent knows, the guest's end waiting beside it until the
/// engine takes it away. A pair whose guest's end is in a container already is left as it is but for the host's end.
/// </summary>
internal static class VethPort
{
    /// <summary>Characters of the port id in the names of its devices (Nova's NIC_NAME_LEN of 14 less a prefix of 3).</summary>
    private const int IdLength = 11;

    /// <summary>A device of this port: "nlx", "nlq", "qbr", "qvb", "qvo" and the first characters of its id.</summary>
    public static string DeviceName(string prefix, PortSpec port) => prefix + port.Id.ToString()[..IdLength];

    /// <summary>Name of the guest's end while it waits on the host.</summary>
    public static string PeerName(PortSpec port) => DeviceName("nlx", port);

    public static ContainerNic Nic(PortSpec port, string guestName)
        => new(port.Id, port.HostDevice, PeerName(port), guestName, port.MacAddress.ToLowerInvariant(), port.Mtu);

    /// <summary>
    /// The host end's own address: the guest's with a first byte higher than any vendor's, so that a bridge, which takes the lowest address of its
    /// ports, never takes this one while it has a physical port, and does not change its own with guests that come and go. As libvirt does.
    /// </summary>
    public static string HostMacAddress(string guestMacAddress)
    {
        var lower = guestMacAddress.ToLowerInvariant();
        return (lower.StartsWith("fe", StringComparison.Ordinal) ? "fa" : "fe") + lower[2..];
    }

    /// <summary>Makes the pair, or mends what is there; both ends are down when made. Registers its removal unless a container has it already.</summary>
    /// <returns>The host's end.</returns>
    /// <exception cref="PortPlugException">Something else has the name.</exception>
    public static Link Ensure(Rtnetlink rtnetlink, PortSpec port, Undo undo)
    {
        if (rtnetlink.Find(port.HostDevice) is { } found)
        {
            if (found.PeerNamespaceId is null or < 0)
            {
                undo.Add(port.HostDevice, Removal(rtnetlink, port));
            }

            if (found.Kind != "veth")
            {
                throw new PortPlugException(
                    $"Port {port.Id}: {port.HostDevice} is already there as a {found.Kind ?? "physical"} device that this service did not make. " +
                    $"Find out what uses it (`ip -d link show {port.HostDevice}`) and delete it.");
            }

            if (Mend(rtnetlink, port, found))
            {
                return found;
            }

            // What a killed container left behind while the kernel is still taking its namespace apart.
            rtnetlink.Delete(found.Index);
        }

        if (rtnetlink.Find(PeerName(port)) is { Kind: "veth" } leftover)
        {
            rtnetlink.Delete(leftover.Index);
        }

        undo.Add(port.HostDevice, Removal(rtnetlink, port));
        rtnetlink.AddVethPair(
            new VethEnd(port.HostDevice, HostMacAddress(port.MacAddress), port.Mtu), new VethEnd(PeerName(port), port.MacAddress, port.Mtu));
        return rtnetlink.Find(port.HostDevice)
            ?? throw new PortPlugException($"Port {port.Id}: {port.HostDevice} was made and is gone. Something else on this host deletes interfaces.");
    }

    /// <summary>Deletes the pair and what limits its rate; a device of this name that is no veth is somebody else's and stays.</summary>
    public static void Remove(Rtnetlink rtnetlink, PortSpec port)
    {
        PortRateLimit.RemoveDetour(rtnetlink, port);
        if (rtnetlink.Find(port.HostDevice) is { Kind: "veth" } host)
        {
            rtnetlink.Delete(host.Index);
        }
    }

    private static Func<CancellationToken, Task> Removal(Rtnetlink rtnetlink, PortSpec port) => _ =>
    {
        Remove(rtnetlink, port);
        return Task.CompletedTask;
    };

    /// <returns>False when the guest's end is lost.</returns>
    private static bool Mend(Rtnetlink rtnetlink, PortSpec port, Link host)
    {
        if (host.PeerNamespaceId is null)
        {
            if (rtnetlink.Find(host.Peer) is not { } peer)
            {
                return false;
            }

            MendPeer(rtnetlink, port, peer);
        }
        else if (host.PeerNamespaceId < 0)
        {
            return false;
        }

        if (host.MacAddress != HostMacAddress(port.MacAddress))
        {
            rtnetlink.SetMacAddress(host.Index, HostMacAddress(port.MacAddress));
        }

        if (host.Mtu != port.Mtu)
        {
            rtnetlink.SetMtu(host.Index, port.Mtu);
        }

        return true;
    }

    private static void MendPeer(Rtnetlink rtnetlink, PortSpec port, Link peer)
    {
        if (peer.Name != PeerName(port))
        {
            rtnetlink.SetDown(peer.Index);
            rtnetlink.Rename(peer.Index, PeerName(port));
        }

        if (!peer.MacAddress.Equals(port.MacAddress, StringComparison.OrdinalIgnoreCase))
        {
            rtnetlink.SetMacAddress(peer.Index, port.MacAddress);
        }

        if (peer.Mtu != port.Mtu)
        {
            rtnetlink.SetMtu(peer.Index, port.Mtu);
        }
    }
}
