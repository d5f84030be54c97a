using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Network;

/// <summary>vif types "tap" (Calico and others that route) and LXD's "p2p": the device under its name, up, in no bridge. The rest is the agent's.</summary>
internal sealed class UnbridgedPlug(ILogger<UnbridgedPlug> logger) : IPortPlug
{
    public async Task<ContainerNic> PlugAsync(PortSpec port, string guestName, CancellationToken cancellationToken)
    {
        try
        {
            using var rtnetlink = Rtnetlink.Open();
            await using var undo = new Undo(logger);
            var host = VethPort.Ensure(rtnetlink, port, undo);
            rtnetlink.SetUp(host.Index);
            PortRateLimit.Apply(rtnetlink, host, port, undo);
            undo.Keep();
            return VethPort.Nic(port, guestName);
        }
        catch (Exception e) when (e is KernelException or IOException or UnauthorizedAccessException)
        {
            throw new PortPlugException($"Port {port.Id} ({port.HostDevice}) could not be plugged: {e.Message}", e);
        }
    }

    public Task UnplugAsync(PortSpec port, CancellationToken cancellationToken)
    {
        using var rtnetlink = Rtnetlink.Open();
        VethPort.Remove(rtnetlink, port);
        return Task.CompletedTask;
    }
}
