using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Network;

/// <summary>
/// vif type "ovs" (Open vSwitch and OVN): the host's end is a port of the integration bridge and carries the ids by which Neutron's agent or ovn-controller
/// finds it. Source: os-vif's vif_plug_ovs, _plug_vif_generic.
/// </summary>
internal sealed class OvsPlug(Ovsdb ovsdb, ILogger<OvsPlug> logger) : IPortPlug
{
    /// (1) veth pair  (2) up  (3) into the integration bridge, with ids and rate limits
    public async Task<ContainerNic> PlugAsync(PortSpec port, string guestName, CancellationToken cancellationToken)
    {
        try
        {
            using var rtnetlink = Rtnetlink.Open();
            await using var undo = new Undo(logger);

            // (1)
            var host = VethPort.Ensure(rtnetlink, port, undo);
            NetworkSysctl.DisableIpv6(host.Name);

            // (2) Before it is a port: the agent wires a port as soon as it sees it.
            rtnetlink.SetUp(host.Index);

            // (3)
            if (host.PeerNamespaceId is null)
            {
                undo.Add($"Open vSwitch port {host.Name}", token => ovsdb.DeletePortAsync(port, host.Name, token));
            }

            await ovsdb.EnsurePortAsync(port, host.Name, limitRates: true, cancellationToken);
            undo.Keep();
            return VethPort.Nic(port, guestName);
        }
        catch (Exception e) when (e is KernelException or IOException or UnauthorizedAccessException)
        {
            throw new PortPlugException($"Port {port.Id} ({port.HostDevice}) could not be plugged into {port.Bridge}: {e.Message}", e);
        }
    }

    public async Task UnplugAsync(PortSpec port, CancellationToken cancellationToken)
    {
        using var rtnetlink = Rtnetlink.Open();
        await ovsdb.DeletePortAsync(port, port.HostDevice, cancellationToken);
        VethPort.Remove(rtnetlink, port);
    }
}
