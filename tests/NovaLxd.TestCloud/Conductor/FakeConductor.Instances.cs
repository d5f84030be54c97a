using Newtonsoft.Json.Linq;

namespace NovaLxd.TestCloud.Conductor;

public sealed partial class FakeConductor
{
    /// <summary>Attributes that are loaded only when asked for (nova/objects/instance.py, INSTANCE_OPTIONAL_ATTRS).</summary>
    private static readonly HashSet<string> Optional =
    [
        "metadata", "system_metadata", "info_cache", "security_groups", "pci_devices", "tags", "services", "fault", "flavor", "old_flavor", "new_flavor",
        "ec2_ids", "numa_topology", "pci_requests", "vcpu_model", "migration_context", "keypairs", "device_metadata", "trusted_certs", "resources",
    ];

    /// <summary>Optional attributes that Instance.save does not write.</summary>
    private static readonly HashSet<string> NotSaved = ["fault", "pci_devices", "tags", "services", "ec2_ids", "info_cache", "security_groups"];

    /// <summary>Fields of each instance by uuid, optional attributes among them; deleted ones stay, marked.</summary>
    public Dictionary<string, JObject> Instances { get; } = [];

    /// <summary>network_info by instance uuid, with its times.</summary>
    public Dictionary<string, JObject> InfoCaches { get; } = [];

    /// <summary>Takes an instance in from its primitive, with everything it has.</summary>
    public string AddInstance(JObject primitive)
    {
        var data = (JObject)Primitives.Data(primitive).DeepClone();
        var uuid = (string)data["uuid"]!;
        lock (_lock)
        {
            if (data["info_cache"] is JObject cache)
            {
                InfoCaches[uuid] = (JObject)Primitives.Data(cache).DeepClone();
            }

            data.Remove("info_cache");
            Instances[uuid] = data;
        }

        return uuid;
    }

    private JObject Row(string uuid, bool readDeleted = false) =>
        Instances.TryGetValue(uuid, out var row) && (readDeleted || (bool?)row["deleted"] != true)
            ? row
            : throw ConductorFailureException.Nova("InstanceNotFound", $"Instance {uuid} could not be found.", 404, new JObject { ["instance_id"] = uuid });

    private JObject SaveInstance(JObject sent, IReadOnlySet<string> changes, JObject kwargs)
    {
        var uuid = (string)sent["uuid"]!;
        var row = Row(uuid);
        Guard(uuid, row, kwargs["expected_task_state"], "task_state");
        Guard(uuid, row, kwargs["expected_vm_state"], "vm_state");
        foreach (var field in changes.Where(f => !NotSaved.Contains(f)))
        {
            row[field] = sent[field]!.DeepClone();
        }

        if (changes.Contains("info_cache") && sent["info_cache"] is JObject cache)
        {
            SaveInfoCache(Primitives.Data(cache), Primitives.Changes(cache));
        }

        row["updated_at"] = Now();
        return InstanceUpdates(sent, row);
    }

    private JObject RefreshInstance(JObject sent) => InstanceUpdates(sent, Row((string)sent["uuid"]!));

    private JObject DestroyInstance(JObject sent)
    {
        if (sent["id"] is null)
        {
            throw ConductorFailureException.Nova("ObjectActionError", "Object action destroy failed because: id not loaded");
        }

        var uuid = (string)sent["uuid"]!;
        var row = Row(uuid);
        row["deleted"] = true;
        row["deleted_at"] = Now();
        BlockDevices.RemoveAll(b => (string?)b["instance_uuid"] == uuid);
        return InstanceUpdates(sent, row);
    }

    private JObject DropMigrationContext(JObject sent)
    {
        Row((string)sent["uuid"]!)["migration_context"] = JValue.CreateNull();
        return InstanceUpdates(sent, Row((string)sent["uuid"]!));
    }

    private JObject InstanceUpdates(JObject sent, JObject row)
    {
        var now = InstanceData(row, sent.Properties().Select(p => p.Name).Where(Optional.Contains).ToHashSet());
        // Nested objects that were set come back every time.
        return Primitives.Updates(sent, now, now.Properties().Where(p => p.Value is JObject o && o.ContainsKey("nova_object.name")).Select(p => p.Name).ToList());
    }

    private static void Guard(string uuid, JObject row, JToken? expected, string field)
    {
        if (Primitives.IsNull(expected))
        {
            return;
        }

        var allowed = expected is JArray list ? list.Select(Primitives.Text).ToList() : [(string?)expected];
        var actual = Primitives.Text(row[field]);
        if (allowed.Contains(actual))
        {
            return;
        }

        var deleting = field == "task_state" && actual is "deleting" or "soft-deleting";
        var name = field == "vm_state" ? "UnexpectedVMStateError" : deleting ? "UnexpectedDeletingTaskStateError" : "UnexpectedTaskStateError";
        var kwargs = new JObject
        {
            ["instance_uuid"] = uuid,
            ["expected"] = new JObject { [field] = new JArray(allowed) },
            ["actual"] = new JObject { [field] = actual },
        };
        throw ConductorFailureException.Nova(
            name, $"Conflict updating instance {uuid}. Expected: {kwargs["expected"]!.ToString(0)}. Actual: {kwargs["actual"]!.ToString(0)}", 500, kwargs);
    }

    private JObject SaveInfoCache(JObject sent, IReadOnlySet<string> changes)
    {
        var uuid = (string)sent["instance_uuid"]!;
        var row = InfoCaches.TryGetValue(uuid, out var known) ? known : InfoCaches[uuid] = Timestamps();
        row["instance_uuid"] = uuid;
        if (changes.Contains("network_info"))
        {
            row["network_info"] = sent["network_info"]!.DeepClone();
        }

        row["updated_at"] = Now();
        return Primitives.Updates(sent, row, []);
    }

    private JObject InfoCache(string uuid) => InfoCaches.TryGetValue(uuid, out var row)
        ? row
        : throw ConductorFailureException.Nova("InstanceInfoCacheNotFound", $"Info cache for instance {uuid} could not be found.", 404);

    private JObject InstanceData(JObject row, IReadOnlySet<string> attributes)
    {
        var data = new JObject();
        foreach (var (field, value) in row)
        {
            if (!Optional.Contains(field) || attributes.Contains(field))
            {
                data[field] = value!.DeepClone();
            }
        }

        if (attributes.Contains("info_cache"))
        {
            data["info_cache"] = InfoCaches.TryGetValue((string)row["uuid"]!, out var cache)
                ? Primitives.Make("InstanceInfoCache", "1.5", (JObject)cache.DeepClone())
                : JValue.CreateNull();
        }

        return data;
    }

    private JObject InstancePrimitive(JObject row, IReadOnlySet<string> attributes) =>
        Primitives.Make("Instance", Release.Versions["Instance"], InstanceData(row, attributes));

    private JToken? InstanceQuery(string name, JArray args, JObject kwargs, JObject context)
    {
        var attributes = (kwargs["expected_attrs"] as JArray)?.Select(a => (string)a!).ToHashSet() ?? ["info_cache", "security_groups"];
        var readDeleted = (string?)context["read_deleted"] is "yes" or "only";
        if (attributes.FirstOrDefault(a => !Optional.Contains(a)) is { } unknown)
        {
            throw ConductorFailureException.Nova("ObjectActionError", $"Object action obj_load_attr failed because: attribute {unknown} not lazy-loadable");
        }

        switch (name)
        {
            case "Instance.get_by_uuid":
                return InstancePrimitive(Row((string?)kwargs["uuid"] ?? (string)args[0]!, readDeleted), attributes);
            case "InstanceInfoCache.get_by_instance_uuid":
                return Primitives.Make("InstanceInfoCache", "1.5", InfoCache((string)args[0]!));
            case "InstanceList.get_uuids_by_host":
                return new JArray(Living(i => (string?)i["host"] == (string?)args[0]).Select(i => i["uuid"]!));
        }

        IEnumerable<JObject> rows = name switch
        {
            "InstanceList.get_by_host" => Living(i => (string?)i["host"] == (string?)args[0]),
            "InstanceList.get_by_host_and_node" => Living(i => (string?)i["host"] == (string?)args[0] && (string?)i["node"] == (string?)args[1]),
            "InstanceList.get_by_filters" => Instances.Values.Where(i => Matches(i, (JObject)args[0]!)),
            _ => throw NoSuchMethod(name),
        };
        return Primitives.List("InstanceList", "2.6", rows.Select(i => InstancePrimitive(i, attributes)));
    }

    private IEnumerable<JObject> Living(Func<JObject, bool> predicate) => Instances.Values.Where(i => (bool?)i["deleted"] != true && predicate(i));

    /// <summary>Equality on each field, one of several for a list.</summary>
    private static bool Matches(JObject row, JObject filters) => filters.Properties().All(f => f.Value is JArray allowed
        ? allowed.Any(a => Primitives.Text(a) == Primitives.Text(row[f.Name]))
        : Primitives.Text(f.Value) == Primitives.Text(row[f.Name]));
}
