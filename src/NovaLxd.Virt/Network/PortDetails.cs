namespace NovaLxd.Virt.Network;

/// <summary>Keys of <see cref="PortSpec.Details"/>.</summary>
public static class PortDetails
{
    /// <summary>iface-id of the interface in the Open vSwitch database (ovs_interfaceid); the port's id when not given.</summary>
    public const string InterfaceId = "iface-id";

    /// <summary>vm-uuid of the interface: the instance.</summary>
    public const string InstanceId = "vm-uuid";

    /// <summary>"true" for a Linux bridge between guest and integration bridge (the iptables_hybrid firewall driver).</summary>
    public const string HybridPlug = "ovs_hybrid_plug";

    /// <summary>"system" or "netdev"; the bridge's own when not given.</summary>
    public const string DatapathType = "datapath_type";
}
