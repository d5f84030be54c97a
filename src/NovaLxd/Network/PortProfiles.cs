using Newtonsoft.Json.Linq;
using NovaLxd.Objects;
using NovaLxd.OpenStack.Neutron.Models;

namespace NovaLxd.Network;

/// <summary>binding:profile as Nova writes it (nova/network/neutron.py). Pure.</summary>
internal static class PortProfiles
{
    /// <summary>What a host put there and another must not find.</summary>
    private static readonly string[] HostKeys =
        ["pci_vendor_info", "pci_slot", "allocation", "arq_uuid", "physical_network", "card_serial_number", "vf_num", "pf_mac_address", "device_mac_address"];

    /// <summary>For a build: what the port had, and for a port with a resource request the providers it was given; null when there is nothing to say.</summary>
    public static JObject? ForBuild(Port port, RequestSpec? requestSpec, IReadOnlySet<string> extensions)
    {
        var profile = port.Profile is { Count: > 0 } had ? (JObject)had.DeepClone() : null;
        if (port.ResourceRequest is { Count: > 0 } request && requestSpec is not null)
        {
            profile ??= [];
            profile["allocation"] = Allocation(port, request, requestSpec, extensions);
        }

        return profile;
    }

    /// <summary>For a port that leaves its instance.</summary>
    public static JObject WithoutHost(JObject? profile)
    {
        var left = profile is null ? [] : (JObject)profile.DeepClone();
        foreach (var key in HostKeys)
        {
            left.Remove(key);
        }

        return left;
    }

    private static JToken Allocation(Port port, JObject request, RequestSpec requestSpec, IReadOnlySet<string> extensions)
    {
        string? ProviderOf(string requester) =>
            requestSpec.RequestedResources.FirstOrDefault(g => g.RequesterId == requester)?.ProviderUuids is [var first, ..] ? first : null;

        if (!extensions.Contains("port-resource-request-groups"))
        {
            return ProviderOf(port.Id);
        }

        var groups = new JObject();
        foreach (var group in request["request_groups"]?.Children<JObject>() ?? [])
        {
            var id = (string)group["id"]!;
            groups[id] = ProviderOf(id);
        }

        return groups;
    }
}
