using Microsoft.Extensions.Logging;

namespace NovaLxd.Virt.Network;

/// <summary>Chooses the plug by the port's vif type (binding:vif_type), and says what to do about those that no container can have.</summary>
internal sealed class PortPlugs(VirtOptions options, ILoggerFactory loggers) : IPortPlug, IDisposable
{
    private readonly LinuxBridgePlug _linuxBridge = new(loggers.CreateLogger<LinuxBridgePlug>());
    private readonly OvsPlug _ovs = new(new Ovsdb(options.Ovs), loggers.CreateLogger<OvsPlug>());
    private readonly OvsHybridPlug _ovsHybrid = new(new Ovsdb(options.Ovs), loggers.CreateLogger<OvsHybridPlug>());
    private readonly UnbridgedPlug _unbridged = new(loggers.CreateLogger<UnbridgedPlug>());

    public Task<ContainerNic> PlugAsync(PortSpec port, string guestName, CancellationToken cancellationToken)
        => (Choose(port) ?? throw Unpluggable(port)).PlugAsync(port, guestName, cancellationToken);

    public void Check(PortSpec port) => _ = Choose(port) ?? throw Unpluggable(port);

    /// <summary>A port whose binding was lost after it had been plugged loses its devices all the same.</summary>
    public Task UnplugAsync(PortSpec port, CancellationToken cancellationToken)
        => (port.VifType == "ovs" && OvsHybridPlug.IsPlugged(port) ? _ovsHybrid : Choose(port) ?? _unbridged).UnplugAsync(port, cancellationToken);

    public void Dispose() => _linuxBridge.Dispose();

    private IPortPlug? Choose(PortSpec port) => port.VifType switch
    {
        "bridge" => _linuxBridge,
        "ovs" when IsHybrid(port) => _ovsHybrid,
        "ovs" => _ovs,
        "tap" or "p2p" => _unbridged,
        _ => null,
    };

    private static bool IsHybrid(PortSpec port) => bool.TryParse(port.Details.GetValueOrDefault(PortDetails.HybridPlug), out var hybrid) && hybrid;

    private static PortPlugException Unpluggable(PortSpec port) => new(port.VifType switch
    {
        "binding_failed" =>
            $"Port {port.Id}: Neutron could not bind it on this host (vif type binding_failed). See that an L2 agent of this very host name is alive " +
            "(`openstack network agent list`; its host must equal [DEFAULT] host here), that its bridge or interface mappings have the network's physical " +
            "network, and what neutron-server logged about the port; then delete the server or hard-reboot it.",
        "unbound" =>
            $"Port {port.Id} is not bound to any host (vif type unbound): its binding:host_id was never set or has been cleared. Look at " +
            $"`openstack port show {port.Id}` for who took it, and attach it again.",
        _ =>
            $"Port {port.Id} has vif type {port.VifType}, which is for virtual machines or hardware. A container takes ports of type bridge, ovs, tap " +
            "and p2p: use vnic type normal and the linuxbridge, openvswitch or ovn mechanism driver for this host.",
    });
}
