using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using NovaLxd.OpenStack.Http;

namespace NovaLxd.OpenStack.Neutron.Models;

/// <summary>A port as Neutron shows it; which fields are there depends on extensions, on who asks and on <c>fields=</c>.</summary>
public sealed record Port
{
    public string Id { get; init; } = "";
    public string? Name { get; init; }
    public string? NetworkId { get; init; }
    public string? TenantId { get; init; }
    public string? ProjectId { get; init; }
    public string? MacAddress { get; init; }
    public bool AdminStateUp { get; init; } = true;

    /// <summary>ACTIVE, DOWN, BUILD, ERROR, N/A.</summary>
    public string? Status { get; init; }

    public string? DeviceId { get; init; }
    public string? DeviceOwner { get; init; }
    public IReadOnlyList<FixedIp> FixedIps { get; init; } = [];
    public IReadOnlyList<string> SecurityGroups { get; init; } = [];
    public bool? PortSecurityEnabled { get; init; }
    public string? DnsName { get; init; }

    /// <summary>immediate, deferred or none.</summary>
    public string? IpAllocation { get; init; }

    public string? QosPolicyId { get; init; }

    /// <summary>Resources the port wants from Placement (minimum bandwidth); null when none.</summary>
    public JObject? ResourceRequest { get; init; }

    [JsonProperty("binding:vnic_type")]
    public string? VnicType { get; init; }

    /// <summary>"" when unbound.</summary>
    [JsonProperty("binding:host_id")]
    public string? HostId { get; init; }

    /// <summary>bridge, ovs, unbound, binding_failed ...; visible to admins only.</summary>
    [JsonProperty("binding:vif_type")]
    public string? VifType { get; init; }

    [JsonProperty("binding:vif_details")]
    public JObject? VifDetails { get; init; }

    [JsonProperty("binding:profile")]
    public JObject? Profile { get; init; }

    /// <summary>Everything else Neutron sent.</summary>
    [JsonExtensionData]
    public IDictionary<string, JToken> Extra { get; init; } = new Dictionary<string, JToken>();

    [JsonIgnore]
    public bool IsBindingFailed => VifType == "binding_failed";
}

/// <summary>An address of a port; in requests either field may be left out.</summary>
public sealed record FixedIp(string? SubnetId = null, string? IpAddress = null);

/// <summary>POST /v2.0/ports.</summary>
public sealed record PortCreate
{
    public Optional<string> DeviceId { get; init; }
    public required string NetworkId { get; init; }
    public bool AdminStateUp { get; init; } = true;
    public Optional<string> TenantId { get; init; }
    public Optional<IReadOnlyList<FixedIp>> FixedIps { get; init; }
    public Optional<IReadOnlyList<string>> SecurityGroups { get; init; }
    public Optional<string> MacAddress { get; init; }
    public Optional<string> DeviceOwner { get; init; }
    public Optional<string> Name { get; init; }

    [JsonProperty("binding:host_id")]
    public Optional<string> HostId { get; init; }

    [JsonProperty("binding:vnic_type")]
    public Optional<string> VnicType { get; init; }
}

/// <summary>PUT /v2.0/ports/{id}: only what is set is sent, null included.</summary>
public sealed record PortUpdate
{
    public Optional<string?> DeviceId { get; init; }
    public Optional<string?> DeviceOwner { get; init; }

    [JsonProperty("binding:host_id")]
    public Optional<string?> HostId { get; init; }

    [JsonProperty("binding:profile")]
    public Optional<JObject?> Profile { get; init; }

    [JsonProperty("binding:vnic_type")]
    public Optional<string> VnicType { get; init; }

    public Optional<string?> DnsName { get; init; }
    public Optional<string> MacAddress { get; init; }
    public Optional<IReadOnlyList<FixedIp>> FixedIps { get; init; }
    public Optional<IReadOnlyList<string>> SecurityGroups { get; init; }
}

/// <summary>One host's binding of a port (extension binding-extended).</summary>
public sealed record PortBinding
{
    public string Host { get; init; } = "";

    /// <summary>ACTIVE or INACTIVE.</summary>
    public string? Status { get; init; }

    public string? VifType { get; init; }
    public JObject? VifDetails { get; init; }
    public string? VnicType { get; init; }
    public JObject? Profile { get; init; }
}

/// <summary>POST /v2.0/ports/{id}/bindings.</summary>
public sealed record PortBindingCreate(string Host, string? VnicType = null, JObject? Profile = null);
