using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using NovaLxd.OpenStack.Cinder;
using NovaLxd.OpenStack.Glance;
using NovaLxd.OpenStack.Http;
using NovaLxd.OpenStack.Neutron;
using NovaLxd.OpenStack.Neutron.Models;
using NovaLxd.OpenStack.Placement;
using NovaLxd.OpenStack.Placement.Models;

namespace NovaLxd.OpenStack.Tests.Contract;

/// <summary>Which of our calls makes which recorded request. The arguments are taken from the recording, the request is left to the client.</summary>
internal sealed partial class RecordedCalls(IServiceProvider services, OpenStackCaller caller)
{
    private const string Uuid = "[0-9a-f-]{36}";

    private readonly IPlacementApi placement = services.GetRequiredService<IPlacementApi>();
    private readonly NeutronClient neutron = services.GetRequiredService<NeutronClient>();
    private readonly ICinderApi cinder = services.GetRequiredService<ICinderApi>();
    private readonly GlanceClient glance = services.GetRequiredService<GlanceClient>();

    /// <summary>Requests of Nova that we do not make, with the reason.</summary>
    public static string? NotMade(Recording recording) => recording.Line switch
    {
        "GET /v3" => "discovery of Keystone: the only version there is stands in the path",
        "GET /v2/schemas/image" => "glanceclient's schema, for its object model",
        "GET /" when recording.Service == "cinder" => "discovery of Cinder",
        _ => null,
    };

    /// <summary>Null when no call of ours makes this request.</summary>
    public Task? Make(Recording recording)
    {
        var path = Recording.PathOf(recording.Path);
        var ids = Ids().Matches(path).Select(m => m.Value).ToArray();
        var shape = $"{recording.Method} {Ids().Replace(path, "ID")}";
        return recording.Service switch
        {
            "placement" => Placement(recording, shape, ids),
            "neutron" => Neutron(recording, shape, ids),
            "glance" => Glance(shape, ids),
            "cinder" => Cinder(recording, shape, ids),
            _ => null,
        };
    }

    private Task? Placement(Recording recording, string shape, string[] ids)
    {
        var query = Parameters(recording);
        var none = CancellationToken.None;
        return shape switch
        {
            "GET /" => placement.GetVersionsAsync(caller, none),
            "GET /resource_providers" => placement.GetProvidersInTreeAsync(caller, query["in_tree"].Single(), none),
            "POST /resource_providers" => placement.CreateProviderAsync(caller, Body<CreateProvider>(recording), none),
            "GET /resource_providers/ID/allocations" => placement.GetProviderAllocationsAsync(caller, ids[0], none),
            "GET /resource_providers/ID/inventories" => placement.GetInventoriesAsync(caller, ids[0], none),
            "PUT /resource_providers/ID/inventories" => placement.PutInventoriesAsync(caller, ids[0], Body<ProviderInventories>(recording), none),
            "GET /resource_providers/ID/traits" => placement.GetProviderTraitsAsync(caller, ids[0], none),
            "PUT /resource_providers/ID/traits" => placement.PutProviderTraitsAsync(caller, ids[0], Body<ProviderTraits>(recording), none),
            "GET /resource_providers/ID/aggregates" => placement.GetAggregatesAsync(caller, ids[0], none),
            "GET /traits" => placement.GetTraitsAsync(caller, query["name"].Single(), none),
            "GET /allocations/ID" => placement.GetAllocationsAsync(caller, ids[0], none),
            "PUT /allocations/ID" => placement.PutAllocationsAsync(caller, ids[0], Body<ConsumerAllocations>(recording), none),
            "POST /allocations" => placement.PostAllocationsAsync(caller, Body<Dictionary<string, ConsumerAllocations>>(recording), none),
            "DELETE /allocations/ID" => placement.DeleteAllocationsAsync(caller, ids[0], none),
            _ => null,
        };
    }

    private Task? Neutron(Recording recording, string shape, string[] ids)
    {
        var query = Parameters(recording);
        var none = CancellationToken.None;
        return shape switch
        {
            "GET /v2.0/extensions" => neutron.GetExtensionsAsync(caller, none),
            "GET /v2.0/networks" => neutron.ListNetworksAsync(caller, new NetworkQuery { Ids = Many("id") }, none),
            "GET /v2.0/networks/ID" => neutron.ShowNetworkAsync(caller, ids[0], Many("fields"), none),
            "GET /v2.0/subnets" => neutron.ListSubnetsAsync(caller, new SubnetQuery { Ids = Many("id") }, none),
            "GET /v2.0/floatingips" => neutron.ListFloatingIpsAsync(caller, new FloatingIpQuery { FixedIpAddress = One("fixed_ip_address"), PortId = One("port_id") }, none),
            "GET /v2.0/ports" => neutron.ListPortsAsync(
                caller,
                new PortQuery
                {
                    TenantId = One("tenant_id"),
                    DeviceId = One("device_id"),
                    HostId = One("binding:host_id"),
                    NetworkId = One("network_id"),
                    DeviceOwner = One("device_owner"),
                    Fields = Many("fields"),
                },
                none),
            "GET /v2.0/ports/ID" => neutron.ShowPortAsync(caller, ids[0], null, none),
            "POST /v2.0/ports" => neutron.CreatePortAsync(caller, Body<PortCreateEnvelope>(recording).Port, none),
            "PUT /v2.0/ports/ID" => neutron.UpdatePortAsync(caller, ids[0], Body<PortUpdateEnvelope>(recording).Port, none),
            "DELETE /v2.0/ports/ID" => neutron.DeletePortAsync(caller, ids[0], none),
            _ when shape.StartsWith("GET /v2.0/ports/ID/bindings/", StringComparison.Ordinal) => neutron.FindBindingAsync(caller, ids[0], Segment(5), none),
            _ when shape.StartsWith("DELETE /v2.0/ports/ID/bindings/", StringComparison.Ordinal) => neutron.DeleteBindingAsync(caller, ids[0], Segment(5), none),
            _ when shape.EndsWith("/activate", StringComparison.Ordinal) => neutron.ActivateBindingAsync(caller, ids[0], Segment(5), none),
            _ => null,
        };

        string? One(string name) => query[name].SingleOrDefault();
        string[]? Many(string name) => query[name].ToArray() is { Length: > 0 } values ? values : null;
        string Segment(int index) => recording.Path.Split('/')[index];
    }

    private Task? Glance(string shape, string[] ids) => shape switch
    {
        "GET /v2/images/ID" => glance.ShowAsync(caller, ids[0], CancellationToken.None),
        "DELETE /v2/images/ID" => glance.DeleteAsync(caller, ids[0], CancellationToken.None),
        _ => null,
    };

    private Task? Cinder(Recording recording, string shape, string[] ids)
    {
        var project = recording.Path.Split('/')[2];
        var none = CancellationToken.None;
        return shape.Replace(project, "PROJECT", StringComparison.Ordinal) switch
        {
            "GET /v3/PROJECT/volumes/ID" => cinder.ShowVolumeAsync(caller, project, ids[0], none),
            "PUT /v3/PROJECT/attachments/ID" => cinder.UpdateAttachmentAsync(caller, project, ids[0], Body<AttachmentUpdateEnvelope>(recording), none),
            "POST /v3/PROJECT/attachments/ID/action" => cinder.CompleteAttachmentAsync(caller, project, ids[0], new CompleteAttachment(), none),
            "DELETE /v3/PROJECT/attachments/ID" => cinder.DeleteAttachmentAsync(caller, project, ids[0], none),
            _ => null,
        };
    }

    private static ILookup<string, string> Parameters(Recording recording) =>
        recording.Path.Split('?', 2).Skip(1).SelectMany(q => q.Split('&')).Select(p => p.Split('=', 2)).ToLookup(p => Uri.UnescapeDataString(p[0]), p => Uri.UnescapeDataString(p[1]));

    private static T Body<T>(Recording recording) => recording.Body!.ToObject<T>(JsonSerializer.Create(OpenStackJson.Settings))!;

    [GeneratedRegex("(?<=/)" + Uuid + "(?=/|$)")]
    private static partial Regex Ids();
}
