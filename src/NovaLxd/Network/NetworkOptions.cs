using System.ComponentModel.DataAnnotations;

namespace NovaLxd.Network;

/// <summary>[DEFAULT]: waiting for Neutron (nova/conf/compute.py).</summary>
internal sealed record NetworkOptions
{
    /// <summary>Whether an instance whose ports do not come up in time is an error.</summary>
    public bool VifPluggingIsFatal { get; init; } = true;

    /// <summary>Seconds to wait for Neutron to say that the ports are up; 0: not at all.</summary>
    public TimeSpan VifPluggingTimeout { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>How often the allocation of ports is tried again.</summary>
    [Range(0, int.MaxValue)]
    public int NetworkAllocateRetries { get; init; }

    /// <summary>Network whose addresses become access_ip_v4 and access_ip_v6 of an instance.</summary>
    public string? DefaultAccessIpNetworkName { get; init; }
}

/// <summary>[neutron]: what is not about reaching it (nova/conf/neutron.py).</summary>
internal sealed record NeutronSectionOptions
{
    /// <summary>Integration bridge of Open vSwitch ports that name none.</summary>
    public string OvsBridge { get; init; } = "br-int";

    /// <summary>Seconds for which the list of Neutron's extensions is kept.</summary>
    public TimeSpan ExtensionSyncInterval { get; init; } = TimeSpan.FromSeconds(600);
}
