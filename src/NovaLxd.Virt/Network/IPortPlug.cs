namespace NovaLxd.Virt.Network;

/// <summary>
/// Makes the host side of a port the way the Neutron agent of its type expects it. Plug is idempotent: a port plugged already is checked and mended
/// (bridge, MAC, MTU, up), not made anew. Unplug of what is not there does nothing. A failed plug leaves nothing.
/// </summary>
internal interface IPortPlug
{
    /// <exception cref="PortPlugException"/>
    Task<ContainerNic> PlugAsync(PortSpec port, string guestName, CancellationToken cancellationToken);

    /// <summary>Refuses, without looking at the host, a port that could not be plugged however the host were.</summary>
    /// <exception cref="PortPlugException"/>
    void Check(PortSpec port)
    {
    }

    Task UnplugAsync(PortSpec port, CancellationToken cancellationToken);
}

/// <summary>
/// The guest's end of a plugged port. <paramref name="PeerDevice"/> waits in the host's network namespace until the engine moves it into the container
/// and names it <paramref name="GuestName"/> there ("eth0").
/// </summary>
internal sealed record ContainerNic(Guid PortId, string HostDevice, string PeerDevice, string GuestName, string MacAddress, int Mtu);
