using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>What the scheduler was asked for; constant while an instance is placed and moved.</summary>
internal sealed class RequestSpec(JObject primitive) : NovaObject(primitive), INovaView<RequestSpec>
{
    public static string ObjectName => "RequestSpec";

    public static RequestSpec View(JObject primitive) => new(primitive);

    internal string InstanceUuid => GetText("instance_uuid");

    internal ImageMeta? Image => GetObject<ImageMeta>("image");

    internal Flavor? Flavor => GetObject<Flavor>("flavor");

    internal string? AvailabilityZone => GetString("availability_zone");

    internal NovaList<NetworkRequest>? RequestedNetworks => GetObject<NovaList<NetworkRequest>>("requested_networks");

    internal InstancePciRequests? PciRequests => GetObject<InstancePciRequests>("pci_requests");

    internal SchedulerLimits? Limits => GetObject<SchedulerLimits>("limits");

    /// <summary>Request groups (of ports with a resource request, of devices): who asks, and from which resource providers it was given.</summary>
    internal IReadOnlyList<RequestGroup> RequestedResources => IsSet("requested_resources") ? GetObjects<RequestGroup>("requested_resources") : [];

    /// <summary>Values of a scheduler hint ("group"), or none.</summary>
    internal IReadOnlyList<string> SchedulerHint(string name) =>
        IsSet("scheduler_hints") && Get("scheduler_hints") is JObject hints && hints[name] is JArray values ? values.Select(v => (string)v!).ToList() : [];
}

/// <summary>Resources asked for together, from one provider.</summary>
internal sealed class RequestGroup(JObject primitive) : NovaObject(primitive), INovaView<RequestGroup>
{
    public static string ObjectName => "RequestGroup";

    public static RequestGroup View(JObject primitive) => new(primitive);

    internal string? RequesterId => GetString("requester_id");

    internal JToken Resources => Get("resources");

    internal IReadOnlyList<string> ProviderUuids => GetStrings("provider_uuids");
}

/// <summary>Oversubscription limits the scheduler went by; null is none.</summary>
internal sealed class SchedulerLimits(JObject primitive) : NovaObject(primitive), INovaView<SchedulerLimits>
{
    public static string ObjectName => "SchedulerLimits";

    public static SchedulerLimits View(JObject primitive) => new(primitive);

    internal int? Vcpu => GetInt("vcpu");

    internal int? DiskGb => GetInt("disk_gb");

    internal int? MemoryMb => GetInt("memory_mb");
}
