using System.Globalization;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Notifications;

/// <summary>Payloads of the unversioned notifications (nova/notifications/base.py, info_from_instance), odd date forms and all.</summary>
internal static class UnversionedPayload
{
    /// <summary>The instance needs flavor, metadata and system_metadata loaded.</summary>
    internal static JObject Instance(RequestContext context, Instance instance, InstanceEvent what)
    {
        var flavor = instance.Flavor;
        var payload = new JObject
        {
            ["tenant_id"] = instance.ProjectId,
            ["user_id"] = instance.UserId,
            ["instance_id"] = instance.Uuid,
            ["display_name"] = instance.DisplayName,
            ["reservation_id"] = instance.ReservationId,
            ["hostname"] = instance.Hostname,
            ["instance_type"] = flavor.Name,
            ["instance_type_id"] = instance.InstanceTypeId,
            ["instance_flavor_id"] = flavor.FlavorId,
            ["architecture"] = instance.Architecture,
            ["memory_mb"] = flavor.MemoryMb,
            ["disk_gb"] = flavor.RootGb + flavor.EphemeralGb,
            ["vcpus"] = flavor.Vcpus,
            ["root_gb"] = flavor.RootGb,
            ["ephemeral_gb"] = flavor.EphemeralGb,
            ["host"] = instance.Host,
            ["node"] = instance.Node,
            ["availability_zone"] = instance.AvailabilityZone,
            ["cell_name"] = instance.CellName ?? "",
            ["created_at"] = Text(instance.CreatedAt, "yyyy-MM-dd HH:mm:sszzz", "None"),
            ["terminated_at"] = IsoTime(instance.TerminatedAt),
            ["deleted_at"] = IsoTime(instance.DeletedAt),
            ["launched_at"] = IsoTime(instance.LaunchedAt),
            ["image_ref_url"] = ImageUrl(context, what.ImageRef ?? instance.ImageRef),
            ["os_type"] = instance.OsType,
            ["kernel_id"] = instance.KernelId,
            ["ramdisk_id"] = instance.RamdiskId,
            ["state"] = instance.VmState,
            ["state_description"] = instance.TaskState ?? "",
            ["progress"] = instance.Progress is { } progress and not 0 ? progress : "",
            ["access_ip_v4"] = instance.AccessIpV4,
            ["access_ip_v6"] = instance.AccessIpV6,
            ["image_meta"] = JObject.FromObject(instance.ImageProperties),
            ["metadata"] = JObject.FromObject(instance.Metadata.ToDictionary(p => p.Key, p => p.Value)),
        };
        if (what.NetworkInfo is { } networkInfo)
        {
            payload["fixed_ips"] = new JArray(networkInfo.Vifs.SelectMany(FixedIps));
        }

        // Whole values: a map in it takes the place of the instance's.
        foreach (var (name, value) in what.Extra)
        {
            payload[name] = value?.DeepClone();
        }

        if (what.Fault is { } fault)
        {
            payload["exception"] = FaultText.Message(fault);
            payload["message"] = FaultText.ShortMessage(fault);
            payload["code"] = FaultText.Code(fault);
        }

        return payload;
    }

    /// <summary>What failed, with which arguments: objects as their fields, no password.</summary>
    internal static JObject Exception(Exception failure, JObject args) => new()
    {
        ["exception"] = FaultText.Message(failure),
        ["args"] = new JObject(args.Properties()
            .Where(p => !p.Name.Contains("_pass", StringComparison.Ordinal))
            .Select(p => new JProperty(p.Name, Plain(p.Value)))),
    };

    private static IEnumerable<JObject> FixedIps(Vif vif) => vif.FixedIps.Select(ip =>
    {
        var json = ip.ToJson();
        json["label"] = vif.Network?.Label;
        json["vif_mac"] = vif.Address;
        return json;
    });

    private static JToken Plain(JToken value) => value switch
    {
        JObject json when json[NovaObject.DataKey] is JObject data => Plain(data),
        JObject json => new JObject(json.Properties().Select(p => new JProperty(p.Name, Plain(p.Value)))),
        JArray list => new JArray(list.Select(Plain)),
        _ => value.DeepClone(),
    };

    private static string IsoTime(DateTimeOffset? time) => Text(time, "yyyy-MM-dd'T'HH:mm:ss.ffffff", "");

    private static string Text(DateTimeOffset? time, string format, string none) =>
        time?.ToUniversalTime().ToString(format, CultureInfo.InvariantCulture) ?? none;

    /// <summary>The image's address by the catalog of the request; just its id when the request has none (periodic tasks).</summary>
    private static string? ImageUrl(RequestContext context, string? imageRef)
    {
        var endpoint = context.ServiceCatalog.OfType<JObject>().FirstOrDefault(s => (string?)s["type"] == "image")?["endpoints"]?.FirstOrDefault();
        var url = (string?)endpoint?["internalURL"] ?? (string?)endpoint?["publicURL"];
        return url is null || imageRef is null ? imageRef : $"{url.TrimEnd('/')}/images/{imageRef}";
    }
}
