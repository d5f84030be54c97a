using System.Net;

namespace NovaLxd.OpenStack.Neutron;

/// <summary>Neutron's refusal, with the name of its exception class, which is what the caller decides by.</summary>
public sealed class NeutronException(HttpStatusCode status, string message, string body, string? requestId, string? type)
    : OpenStackHttpException("neutron", status, type is null ? message : $"{type}: {message}", body, requestId, type)
{
    /// <summary>Neutron's class name: PortNotFound, NetworkNotFound, IpAddressInUse, MacAddressInUse, OverQuota ...; "" when it gave none.</summary>
    public string Type { get; } = type ?? "";

    /// <summary>Whether the refusal has one of <paramref name="types"/> (see <see cref="NeutronErrors"/>).</summary>
    public bool Is(params ReadOnlySpan<string> types) => types.Contains(Type);
}

/// <summary>The names Nova tells apart (nova/network/neutron.py; neutron_lib/exceptions).</summary>
public static class NeutronErrors
{
    public const string PortNotFound = "PortNotFound";
    public const string NetworkNotFound = "NetworkNotFound";
    public const string IpAddressInUse = "IpAddressInUse";
    public const string IpAddressAlreadyAllocated = "IpAddressAlreadyAllocated";
    public const string IpAddressGenerationFailure = "IpAddressGenerationFailure";
    public const string InvalidIpForNetwork = "InvalidIpForNetwork";
    public const string InvalidIpForSubnet = "InvalidIpForSubnet";
    public const string OverQuota = "OverQuota";
    public const string MacAddressInUse = "MacAddressInUse";
    public const string HostNotCompatibleWithFixedIps = "HostNotCompatibleWithFixedIps";
    public const string PortBindingAlreadyActive = "PortBindingAlreadyActive";
    public const string PortBindingAlreadyExists = "PortBindingAlreadyExists";
    public const string PortBindingNotFound = "PortBindingNotFound";
    public const string PortBindingError = "PortBindingError";
    public const string SecurityGroupNotFound = "SecurityGroupNotFound";
    public const string ExternalNetworkAttachForbidden = "PolicyNotAuthorized";
}
