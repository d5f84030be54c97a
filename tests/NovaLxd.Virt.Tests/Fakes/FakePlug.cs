using System.Collections.Concurrent;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt.Tests.Fakes;

/// <summary>A plug that remembers which host devices there are.</summary>
internal sealed class FakePlug(Journal journal) : IPortPlug
{
    public ConcurrentDictionary<string, PortSpec> Plugged { get; } = new();

    public async Task<ContainerNic> PlugAsync(PortSpec port, string guestName, CancellationToken cancellationToken)
    {
        await journal.AddAsync($"plug {port.HostDevice} {guestName}", cancellationToken);
        Plugged[port.HostDevice] = port;
        return new ContainerNic(port.Id, port.HostDevice, "peer" + port.HostDevice, guestName, port.MacAddress, port.Mtu);
    }

    public void Check(PortSpec port)
    {
        if (port.VifType == "hw_veb")
        {
            throw new PortPlugException("not for containers");
        }
    }

    public async Task UnplugAsync(PortSpec port, CancellationToken cancellationToken)
    {
        await journal.AddAsync($"unplug {port.HostDevice}", cancellationToken);
        Plugged.TryRemove(port.HostDevice, out _);
    }
}
