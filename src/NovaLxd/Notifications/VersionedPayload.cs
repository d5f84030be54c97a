using System.Text.RegularExpressions;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Notifications;

/// <summary>
/// Payload objects of the versioned notifications (nova/notifications/objects). From 2025.1 on, payloads of instances have a list of shares and one
/// version more.
/// </summary>
internal sealed partial class VersionedPayload(string instanceNameTemplate, bool withShares)
{
    private static readonly string[] FlavorFields =
    [
        "flavorid", "memory_mb", "vcpus", "root_gb", "ephemeral_gb", "name", "swap", "rxtx_factor", "vcpu_weight", "disabled", "is_public",
        "extra_specs", "projects", "description",
    ];

    private static readonly string[] KeyPairFields = ["user_id", "name", "fingerprint", "public_key", "type"];

    private static readonly string[] BlockDeviceFields = ["device_name", "boot_index", "delete_on_termination", "volume_id", "tag"];

    /// <summary>InstanceActionPayload, or the larger one of a creation, rebuild, rescue, resize or snapshot, or InstanceExistsPayload.</summary>
    /// <param name="context">Who asked.</param>
    /// <param name="instance">With flavor, info_cache, metadata, system_metadata and for a creation keypairs and tags loaded.</param>
    /// <param name="what">The event.</param>
    /// <param name="blockDevices">Null: the payload does not speak of disks.</param>
    internal JObject Instance(RequestContext context, Instance instance, InstanceEvent what, IReadOnlyList<BlockDeviceMapping>? blockDevices)
    {
        var data = Common(context, instance, blockDevices);
        if (what.Audit is { } audit)
        {
            return Exists(data, audit);
        }

        data["fault"] = what.Fault is { } fault ? Exception(FaultTranslation.ClassName(fault), null, fault) : JValue.CreateNull();
        if (withShares)
        {
            data["shares"] = new JArray();
        }

        if (what.IsRebuild)
        {
            data["trusted_image_certificates"] = TrustedCertificates(instance);
            return Make("InstanceActionRebuildPayload", withShares ? "1.10" : "1.9", data);
        }

        if (what.RescuedWith is { } rescue)
        {
            data["rescue_image_ref"] = Text(rescue.ImageRef);
            return Make("InstanceActionRescuePayload", withShares ? "1.4" : "1.3", data);
        }

        if (what.NewFlavor is { } flavor)
        {
            data["new_flavor"] = Flavor(flavor);
            return Make("InstanceActionResizePrepPayload", withShares ? "1.4" : "1.3", data);
        }

        if (what.SnapshotImageId is { } image)
        {
            data["snapshot_image_id"] = image;
            return Make("InstanceActionSnapshotPayload", withShares ? "1.10" : "1.9", data);
        }

        if (!what.IsCreate)
        {
            return Make("InstanceActionPayload", withShares ? "1.9" : "1.8", data);
        }

        data["keypairs"] = new JArray((instance.KeyPairs?.Objects ?? []).Select(KeyPair));
        data["tags"] = new JArray((instance.Tags?.Objects ?? []).Select(t => t.Text));
        data["trusted_image_certificates"] = TrustedCertificates(instance);
        data["instance_name"] = instance.NameFrom(instanceNameTemplate);
        return Make("InstanceCreatePayload", withShares ? "1.13" : "1.12", data);
    }

    private JObject Exists(JObject data, AuditPeriod audit)
    {
        if (withShares)
        {
            data["shares"] = new JArray();
        }

        data["audit_period"] = Make("AuditPeriodPayload", "1.0", new JObject
        {
            ["audit_period_beginning"] = WireTime.Format(audit.From),
            ["audit_period_ending"] = WireTime.Format(audit.To),
        });
        return Make("InstanceExistsPayload", withShares ? "2.1" : "2.0", data);
    }

    private static JToken TrustedCertificates(Instance instance) => instance.IsSet("trusted_certs") && instance.TrustedCerts is { } certs
        ? new JArray(certs.Ids)
        : JValue.CreateNull();

    /// <param name="className">The failure's name in Nova.</param>
    /// <param name="function">The method that failed; null: the one that threw.</param>
    /// <param name="failure">What happened.</param>
    internal static JObject Exception(string className, string? function, Exception failure)
    {
        // An async method is a class of its own behind the scenes: Namespace.Type+<RunAsync>d__3.MoveNext.
        var thrower = failure.TargetSite;
        var name = thrower?.DeclaringType is { } type && AsyncMethod().Match(type.Name) is { Success: true } match
            ? match.Groups[1].Value
            : thrower?.Name;
        return Make("ExceptionPayload", "1.1", new JObject
        {
            ["module_name"] = thrower?.DeclaringType?.Namespace ?? "unknown",
            ["function_name"] = function ?? name ?? "unknown",
            ["exception"] = className,
            ["exception_message"] = FaultText.Message(failure),
            ["traceback"] = FaultText.Details(failure),
        });
    }

    private static JObject Common(RequestContext context, Instance instance, IReadOnlyList<BlockDeviceMapping>? blockDevices) => new()
    {
        ["uuid"] = instance.Uuid,
        ["user_id"] = Field(instance, "user_id"),
        ["tenant_id"] = Field(instance, "project_id"),
        ["reservation_id"] = Field(instance, "reservation_id"),
        ["display_name"] = Field(instance, "display_name"),
        ["display_description"] = Field(instance, "display_description"),
        ["host_name"] = Field(instance, "hostname"),
        ["host"] = Field(instance, "host"),
        ["node"] = Field(instance, "node"),
        ["os_type"] = Field(instance, "os_type"),
        ["architecture"] = Field(instance, "architecture"),
        ["availability_zone"] = Field(instance, "availability_zone"),
        ["flavor"] = Flavor(instance.Flavor),
        ["image_uuid"] = Field(instance, "image_ref"),
        ["key_name"] = Field(instance, "key_name"),
        ["kernel_id"] = Field(instance, "kernel_id"),
        ["ramdisk_id"] = Field(instance, "ramdisk_id"),
        ["created_at"] = Field(instance, "created_at"),
        ["launched_at"] = Field(instance, "launched_at"),
        ["terminated_at"] = Field(instance, "terminated_at"),
        ["deleted_at"] = Field(instance, "deleted_at"),
        ["updated_at"] = Field(instance, "updated_at"),
        ["state"] = Field(instance, "vm_state"),
        ["power_state"] = instance.GetInt("power_state") is { } power ? PowerState.Name(power) : JValue.CreateNull(),
        ["task_state"] = Field(instance, "task_state"),
        ["progress"] = Field(instance, "progress"),
        ["ip_addresses"] = new JArray(instance.NetworkInfo.Vifs.SelectMany(IpAddresses)),
        ["block_devices"] = blockDevices is null
            ? JValue.CreateNull()
            : new JArray(blockDevices.Where(b => b.VolumeId is not null).Select(BlockDevice)),
        ["metadata"] = instance.Get("metadata").DeepClone(),
        ["locked"] = instance.Locked,
        ["auto_disk_config"] = instance.AutoDiskConfig ? "AUTO" : "MANUAL",
        // Periodic tasks act for nobody; their request id means nothing to a reader.
        ["request_id"] = context.ProjectId is not null && context.UserId is not null ? context.RequestId : JValue.CreateNull(),
        ["action_initiator_user"] = Text(context.UserId),
        ["action_initiator_project"] = Text(context.ProjectId),
        ["locked_reason"] = Text(instance.SystemMetadata.Find("locked_reason")),
    };

    private static JObject Flavor(Flavor flavor) => Make("FlavorPayload", "1.4", Fields(flavor, FlavorFields));

    private static JObject KeyPair(KeyPair key) => Make("KeypairPayload", "1.0", Fields(key, KeyPairFields));

    private static JObject BlockDevice(BlockDeviceMapping device) => Make("BlockDevicePayload", "1.0", Fields(device, BlockDeviceFields));

    private static IEnumerable<JObject> IpAddresses(Vif vif) => vif.FixedIps.Select(ip => Make("IpPayload", "1.0", new JObject
    {
        ["label"] = vif.Network?.Label,
        ["mac"] = vif.Address,
        ["meta"] = new JObject(vif.Meta.Properties().Select(p => new JProperty(p.Name, p.Value.ToString()))),
        ["port_uuid"] = vif.Id,
        ["version"] = ip.Version,
        ["address"] = ip.Address,
        ["device_name"] = Text(vif.DevName),
    }));

    private static JObject Fields(NovaObject value, string[] fields) => new(fields.Select(field => new JProperty(field, Field(value, field))));

    private static JToken Field(NovaObject value, string field) => value.IsSet(field) ? value.Get(field).DeepClone() : JValue.CreateNull();

    private static JToken Text(string? text) => text is null ? JValue.CreateNull() : text;

    private static JObject Make(string name, string version, JObject data) => new()
    {
        [NovaObject.NameKey] = name,
        [NovaObject.NamespaceKey] = "nova",
        [NovaObject.VersionKey] = version,
        [NovaObject.DataKey] = data,
    };

    [GeneratedRegex("^<(.+)>")]
    private static partial Regex AsyncMethod();
}
