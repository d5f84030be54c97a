using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Network;

/// <summary>
/// vif type "bridge": the host's end goes into the network's bridge ("brq..."), where Neutron's Linux bridge agent finds it by name within its next scan,
/// adds the physical or VXLAN side and the filters, and reports the port up. The agent itself does not put the taps of compute ports into bridges.
/// Source: os-vif's vif_plug_linux_bridge, and the agent's _add_tap_interface.
/// </summary>
internal sealed class LinuxBridgePlug(ILogger<LinuxBridgePlug> logger) : IPortPlug, IDisposable
{
    /// <summary>Held from the look at a bridge until the port is in it, so that taking an empty bridge back cannot take it from another port.</summary>
    private readonly SemaphoreSlim _bridges = new(1);

    /// (1) veth pair  (2) rate limits  (3) into the bridge and up
    public async Task<ContainerNic> PlugAsync(PortSpec port, string guestName, CancellationToken cancellationToken)
    {
        try
        {
            using var rtnetlink = Rtnetlink.Open();
            await using var undo = new Undo(logger);

            // (1) The host takes no part in the guest's network: no address of its own on the port, before it is up for the first time.
            var host = VethPort.Ensure(rtnetlink, port, undo);
            NetworkSysctl.DisableIpv6(host.Name);

            // (2)
            PortRateLimit.Apply(rtnetlink, host, port, undo);

            // (3)
            await _bridges.WaitAsync(cancellationToken);
            try
            {
                await EnslaveAsync(rtnetlink, port, host);
            }
            finally
            {
                _bridges.Release();
            }

            undo.Keep();
            return VethPort.Nic(port, guestName);
        }
        catch (Exception e) when (e is KernelException or IOException or UnauthorizedAccessException)
        {
            throw new PortPlugException($"Port {port.Id} ({port.HostDevice}) could not be plugged into bridge {port.Bridge}: {e.Message}", e);
        }
    }

    public Task UnplugAsync(PortSpec port, CancellationToken cancellationToken)
    {
        using var rtnetlink = Rtnetlink.Open();
        VethPort.Remove(rtnetlink, port);
        return Task.CompletedTask;
    }

    public void Dispose() => _bridges.Dispose();

    private async Task EnslaveAsync(Rtnetlink rtnetlink, PortSpec port, Link host)
    {
        await using var undo = new Undo(logger);
        var bridge = FindBridge(rtnetlink, port, undo);
        if (host.Master != bridge.Index)
        {
            rtnetlink.SetMaster(host.Index, bridge.Index);
        }

        rtnetlink.SetUp(host.Index);
        undo.Keep();
    }

    private static Link FindBridge(Rtnetlink rtnetlink, PortSpec port, Undo undo)
    {
        var name = port.Bridge
            ?? throw new PortPlugException($"Port {port.Id} is of vif type bridge and names none. Check the port's binding: `openstack port show {port.Id}`.");
        if (port.CreateBridge)
        {
            var bridge = LinuxBridges.Ensure(rtnetlink, new BridgeSettings(name), out var made);
            if (made)
            {
                undo.Add(name, _ =>
                {
                    rtnetlink.Delete(bridge.Index);
                    return Task.CompletedTask;
                });
            }

            return bridge;
        }

        var found = rtnetlink.Find(name)
            ?? throw new PortPlugException(
                $"Port {port.Id} belongs into bridge {name}, which is not on this host, and is not to be made by the compute service. " +
                "Start the Neutron agent that makes it, or correct the agent's bridge_mappings.");
        LinuxBridges.Check(found);
        return found;
    }
}
