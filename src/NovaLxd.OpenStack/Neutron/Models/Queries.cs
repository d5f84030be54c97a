using Refit;

namespace NovaLxd.OpenStack.Neutron.Models;

// Filters of the list calls. Null is left out; several values of one filter mean any of them.

public sealed record PortQuery
{
    [AliasAs("tenant_id")]
    public string? TenantId { get; init; }

    [AliasAs("device_id")]
    public string? DeviceId { get; init; }

    [AliasAs("binding:host_id")]
    public string? HostId { get; init; }

    [AliasAs("network_id")]
    public string? NetworkId { get; init; }

    [AliasAs("device_owner")]
    public string? DeviceOwner { get; init; }

    [AliasAs("mac_address")]
    public string? MacAddress { get; init; }

    [AliasAs("id"), Query(CollectionFormat.Multi)]
    public IReadOnlyList<string>? Ids { get; init; }

    [AliasAs("fields"), Query(CollectionFormat.Multi)]
    public IReadOnlyList<string>? Fields { get; init; }

    [AliasAs("limit")]
    public int? Limit { get; init; }

    [AliasAs("marker")]
    public string? Marker { get; init; }
}

public sealed record NetworkQuery
{
    [AliasAs("id"), Query(CollectionFormat.Multi)]
    public IReadOnlyList<string>? Ids { get; init; }

    [AliasAs("tenant_id")]
    public string? TenantId { get; init; }

    /// <summary>"true" or "false".</summary>
    [AliasAs("shared")]
    public string? Shared { get; init; }

    [AliasAs("router:external")]
    public string? External { get; init; }

    [AliasAs("limit")]
    public int? Limit { get; init; }

    [AliasAs("marker")]
    public string? Marker { get; init; }
}

public sealed record SubnetQuery
{
    [AliasAs("id"), Query(CollectionFormat.Multi)]
    public IReadOnlyList<string>? Ids { get; init; }

    [AliasAs("network_id")]
    public string? NetworkId { get; init; }

    [AliasAs("limit")]
    public int? Limit { get; init; }

    [AliasAs("marker")]
    public string? Marker { get; init; }
}

public sealed record SecurityGroupQuery
{
    [AliasAs("fields"), Query(CollectionFormat.Multi)]
    public IReadOnlyList<string>? Fields { get; init; }

    [AliasAs("tenant_id")]
    public string? TenantId { get; init; }

    [AliasAs("id"), Query(CollectionFormat.Multi)]
    public IReadOnlyList<string>? Ids { get; init; }

    [AliasAs("limit")]
    public int? Limit { get; init; }

    [AliasAs("marker")]
    public string? Marker { get; init; }
}

public sealed record FloatingIpQuery
{
    [AliasAs("fixed_ip_address")]
    public string? FixedIpAddress { get; init; }

    [AliasAs("port_id")]
    public string? PortId { get; init; }

    [AliasAs("tenant_id")]
    public string? TenantId { get; init; }

    [AliasAs("limit")]
    public int? Limit { get; init; }

    [AliasAs("marker")]
    public string? Marker { get; init; }
}
