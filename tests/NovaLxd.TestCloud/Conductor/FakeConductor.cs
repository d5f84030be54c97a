using System.Globalization;
using Newtonsoft.Json.Linq;

namespace NovaLxd.TestCloud.Conductor;

/// <summary>
/// A conductor with its database in memory. It answers what nova-conductor answers to a compute service (object_action,
/// object_class_action_versions, object_backport_versions, baseapi.ping) and refuses what that refuses: objects newer than its release, saves whose
/// expected task_state is not there, rows that are gone, methods that do not exist. It knows nothing of transports:
/// <see cref="HandleAsync"/> takes a method with its arguments and returns the result or throws the failure.
/// <para>Safe for use by several threads; tests read and change the tables between requests, or by <see cref="Locked"/> while there are some.</para>
/// </summary>
public sealed partial class FakeConductor(FakeRelease release, TimeProvider time)
{
    private readonly Lock _lock = new();
    private int _nextId = 1;

    public FakeRelease Release { get; } = release;

    /// <summary>Every request in order, as "Instance.save" or "baseapi.ping".</summary>
    public List<string> Requests { get; } = [];

    /// <summary>Arguments of the resizes that were handed back.</summary>
    public List<JObject> Migrates { get; } = [];

    /// <summary>Called before each request is answered; what it throws or waits for is what the caller gets or waits for.</summary>
    public Func<string, JObject, Task>? Interfere { get; set; }

    /// <summary>Reads or changes the tables while no request is answered.</summary>
    public T Locked<T>(Func<FakeConductor, T> look)
    {
        lock (_lock)
        {
            return look(this);
        }
    }

    /// <param name="method">RPC method.</param>
    /// <param name="args">Its arguments by name.</param>
    /// <param name="context">The context's values.</param>
    /// <returns>The result; null for JSON null.</returns>
    /// <exception cref="ConductorFailureException">The failure to answer with.</exception>
    public async Task<JToken?> HandleAsync(string method, JObject args, JObject context)
    {
        var name = method switch
        {
            "object_action" => $"{Primitives.Name((JObject)args["objinst"]!)}.{args["objmethod"]}",
            "object_class_action_versions" => $"{args["objname"]}.{args["objmethod"]}",
            _ => method,
        };
        if (Interfere is { } interfere)
        {
            await interfere(name, args);
        }

        // As over a wire: nothing is shared with the caller.
        var copy = (JObject)args.DeepClone();
        lock (_lock)
        {
            Requests.Add(name);
            return method switch
            {
                "object_action" => ObjectAction(name, copy, context),
                "object_class_action_versions" => ClassAction(name, (string)copy["objname"]!, (JArray)copy["args"]!, (JObject)copy["kwargs"]!, context)
                    ?.DeepClone(),
                "object_backport_versions" => Backport((JObject)copy["objinst"]!, (JObject)copy["object_versions"]!),
                "migrate_server" => MigrateServer(copy),
                "ping" => new JObject { ["service"] = "conductor", ["arg"] = copy["arg"] },
                _ => throw NoSuchMethod(method),
            };
        }
    }

    private JValue MigrateServer(JObject args)
    {
        Migrates.Add(args);
        return JValue.CreateNull();
    }

    private JArray ObjectAction(string name, JObject args, JObject context)
    {
        var sent = (JObject)args["objinst"]!;
        RefuseNewer(sent);
        var kwargs = (JObject)args["kwargs"]!;
        var data = Primitives.Data(sent);
        var changes = Primitives.Changes(sent);
        if (name == "InstanceGroup.get_hosts")
        {
            return [new JObject { ["obj_what_changed"] = new JArray() }, GroupHosts(data, kwargs)];
        }

        JObject updates = name switch
        {
            "Instance.save" => SaveInstance(data, changes, kwargs),
            "Instance.refresh" => RefreshInstance(data),
            "Instance.destroy" => DestroyInstance(data),
            "Instance.drop_migration_context" => DropMigrationContext(data),
            "InstanceInfoCache.save" => SaveInfoCache(data, changes),
            "InstanceInfoCache.refresh" => Primitives.Updates(data, InfoCache((string)data["instance_uuid"]!), []),
            "InstanceFault.create" => Create(Faults, data, []),
            "Service.create" => CreateService(data),
            "Service.save" => SaveService(data, changes),
            "ComputeNode.create" => CreateComputeNode(data),
            "ComputeNode.save" => SaveRow(ComputeNodes, data, changes, "ComputeHostNotFound"),
            "ComputeNode.destroy" => DeleteRow(ComputeNodes, data),
            "Migration.create" => Create(Migrations, data, new JObject { ["uuid"] = Guid.NewGuid().ToString() }),
            "Migration.save" => SaveRow(Migrations, data, changes, "MigrationNotFound"),
            "BlockDeviceMapping.create" => Create(BlockDevices, data, new JObject { ["uuid"] = Guid.NewGuid().ToString() }),
            "BlockDeviceMapping.save" => SaveRow(BlockDevices, data, changes, "VolumeBDMNotFound"),
            "BlockDeviceMapping.destroy" => DeleteRow(BlockDevices, data),
            "VirtualInterface.create" => Create(VirtualInterfaces, data, []),
            "VirtualInterface.destroy" => DeleteRow(VirtualInterfaces, data),
            _ => throw NoSuchMethod(name),
        };
        return [updates, JValue.CreateNull()];
    }

    private JToken? ClassAction(string name, string objectName, JArray args, JObject kwargs, JObject context)
    {
        return objectName switch
        {
            "Instance" or "InstanceList" or "InstanceInfoCache" => InstanceQuery(name, args, kwargs, context),
            "BlockDeviceMapping" or "BlockDeviceMappingList" or "VirtualInterface" or "VirtualInterfaceList" => DeviceQuery(name, args),
            "InstanceAction" or "InstanceActionEvent" => ActionQuery(name, args, kwargs, context),
            _ => HostQuery(name, args, kwargs, context),
        };
    }

    private JObject Backport(JObject primitive, JObject versions)
    {
        foreach (var nested in primitive.DescendantsAndSelf().OfType<JObject>().Where(o => o.ContainsKey("nova_object.name")))
        {
            if (versions[Primitives.Name(nested)] is { } version)
            {
                nested["nova_object.version"] = version.DeepClone();
            }
        }

        return primitive;
    }

    private void RefuseNewer(JObject primitive)
    {
        foreach (var nested in primitive.DescendantsAndSelf().OfType<JObject>().Where(o => o.ContainsKey("nova_object.name")))
        {
            var version = (string)nested["nova_object.version"]!;
            if (Release.Versions.TryGetValue(Primitives.Name(nested), out var known) && Version.Parse(version) > Version.Parse(known))
            {
                throw ConductorFailureException.Nova("IncompatibleObjectVersion", $"Version {version} of {Primitives.Name(nested)} is not supported");
            }
        }
    }

    private string Now() => time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private JObject Timestamps() => new()
    {
        ["created_at"] = Now(),
        ["updated_at"] = JValue.CreateNull(),
        ["deleted_at"] = JValue.CreateNull(),
        ["deleted"] = false,
    };

    private JObject Create(List<JObject> table, JObject sent, JObject defaults)
    {
        if (sent["id"] is not null)
        {
            throw ConductorFailureException.Nova("ObjectActionError", "It has been created already");
        }

        var row = new JObject { ["id"] = _nextId++ };
        row.Merge(defaults);
        row.Merge(Timestamps());
        row.Merge(sent, new JsonMergeSettings { MergeNullValueHandling = MergeNullValueHandling.Merge });
        table.Add(row);
        return Primitives.Updates(sent, row, []);
    }

    private JObject SaveRow(List<JObject> table, JObject sent, IReadOnlySet<string> changes, string missing)
    {
        var row = table.Find(r => (int)r["id"]! == (int)sent["id"]!)
            ?? throw ConductorFailureException.Nova(missing, $"Row {sent["id"]} could not be found.", 404);
        foreach (var field in changes)
        {
            row[field] = sent[field]!.DeepClone();
        }

        row["updated_at"] = Now();
        return Primitives.Updates(sent, row, []);
    }

    private static JObject DeleteRow(List<JObject> table, JObject sent)
    {
        table.RemoveAll(r => (int)r["id"]! == (int)sent["id"]!);
        return new JObject { ["obj_what_changed"] = new JArray() };
    }

    private static ConductorFailureException NoSuchMethod(string name) =>
        new("builtins", "AttributeError", $"The fake conductor has no {name}", []);
}
