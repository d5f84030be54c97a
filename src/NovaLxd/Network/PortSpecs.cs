using NovaLxd.Instances;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Network;

/// <summary>Nova's network model to what the host plugs (nova/network/os_vif_util.py). Pure.</summary>
internal static class PortSpecs
{
    private const int DefaultMtu = 1500;

    public static IReadOnlyList<PortSpec> From(Instance instance, NetworkInfo networkInfo)
    {
        var (inbound, outbound) = FlavorLimits.PortRates(instance.Flavor);
        return [.. networkInfo.Vifs.Select(v => From(v, instance.Uuid, inbound, outbound))];
    }

    private static PortSpec From(Vif vif, string instanceUuid, PortRate? inbound, PortRate? outbound) => new()
    {
        Id = Guid.Parse(vif.Id),
        VifType = vif.Type ?? "unbound",
        MacAddress = vif.Address ?? throw new FormatException($"Port {vif.Id} has no MAC address."),
        HostDevice = vif.DevName ?? DeviceName(vif.Id),
        Bridge = vif.Network?.Bridge,
        CreateBridge = vif.Network?.ShouldCreateBridge ?? false,
        Mtu = vif.Network?.Mtu ?? DefaultMtu,
        Inbound = inbound,
        Outbound = outbound,
        Details = new Dictionary<string, string>
        {
            ["iface-id"] = vif.OvsInterfaceId ?? vif.Id,
            ["vm-uuid"] = instanceUuid,
            ["ovs_hybrid_plug"] = (bool?)vif.Details["ovs_hybrid_plug"] == true ? "true" : "false",
        },
    };

    /// <summary>"tap" and the port's id, cut to what a network device's name may have: the Neutron agents know a port by it.</summary>
    public static string DeviceName(string portId) => ("tap" + portId)[..14];
}
