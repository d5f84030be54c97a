using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>What API, conductor and scheduler do for a resize, with a recorded request (tests/wire/rpc/resize-zed.json).</summary>
internal static class Resizes
{
    private static readonly JsonSerializerSettings Plain = new() { DateParseHandling = DateParseHandling.None };
    private static int _lastId;

    public static JObject Recording => JsonConvert.DeserializeObject<JObject>(
        File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "wire", "resize-zed.json")), Plain)!;

    /// <summary>Of so many processors, MiB and GiB; ServerRequest's servers have 1, 64 and 1.</summary>
    public static JObject Flavor(int vcpus = 2, int memoryMb = 128, int rootGb = 2)
    {
        var flavor = (JObject)Recording["prep_resize"]!["flavor"]!.DeepClone();
        var data = (JObject)flavor["nova_object.data"]!;
        (data["id"], data["name"], data["flavorid"]) = (42, "resized", "42");
        (data["vcpus"], data["memory_mb"], data["root_gb"], data["extra_specs"]) = (vcpus, memoryMb, rootGb, new JObject());
        return flavor;
    }

    /// <summary>Asks for a resize; does not wait. Returns the migration's row.</summary>
    public static async Task<JObject> RequestResizeAsync(this ComputeSite site, Server server, JObject flavor)
    {
        var row = await site.RowAsync(server);
        var old = (JObject)row["flavor"]!["nova_object.data"]!;
        var migration = (JObject)Recording["prep_resize"]!["migration"]!["nova_object.data"]!.DeepClone();
        (migration["id"], migration["uuid"], migration["instance_uuid"]) = (7000 + Interlocked.Increment(ref _lastId), Guid.NewGuid().ToString(), server.Uuid);
        (migration["source_compute"], migration["source_node"]) = (site.Mark, site.Node);
        migration["old_instance_type_id"] = old["id"];
        migration["new_instance_type_id"] = flavor["nova_object.data"]!["id"];
        site.Plane.Conductor.Locked(c => { c.Migrations.Add(migration); return 0; });

        // The migration holds what the instance had.
        var provider = site.Provider();
        site.Plane.Cloud.Placement.Allocate((string)migration["uuid"]!, provider, ControlPlane.ProjectId, "alice", Amounts(old));
        site.Plane.Cloud.Placement.Allocate(server.Uuid, provider, ControlPlane.ProjectId, "alice", Amounts((JObject)flavor["nova_object.data"]!));

        var arguments = (JObject)Recording["prep_resize"]!.DeepClone();
        arguments.Remove("instance");
        arguments["flavor"] = flavor.DeepClone();
        arguments["node"] = site.Node;
        arguments["migration"] = Primitive(migration);
        arguments["filter_properties"]!["retry"]!["hosts"] = new JArray(new JArray(site.Mark, site.Node));
        await site.SendAsync(server, "prep_resize", "resize_prep", arguments);
        return migration;
    }

    /// <summary>A resize that waits to be confirmed or reverted.</summary>
    public static async Task<JObject> ResizeAsync(this ComputeSite site, Server server, JObject flavor)
    {
        var migration = await site.RequestResizeAsync(server, flavor);
        await site.StateAsync(server, "resized");
        await site.QuietAsync(server);
        return migration;
    }

    public static async Task ConfirmAsync(this ComputeSite site, Server server, JObject migration) =>
        Assert.Equal("Success", await site.FinishedAsync(await site.RequestConfirmAsync(server, migration)));

    /// <summary>Does not wait.</summary>
    public static Task<string> RequestConfirmAsync(this ComputeSite site, Server server, JObject migration) =>
        site.SendAsync(server, "confirm_resize", null, Move(site, migration, "confirming"));

    /// <summary>Does not wait.</summary>
    public static async Task<string> RequestRevertAsync(this ComputeSite site, Server server, JObject migration)
    {
        var arguments = Move(site, migration, "reverting");
        arguments["request_spec"] = Recording["prep_resize"]!["request_spec"]!.DeepClone();
        return await site.SendAsync(server, "revert_resize", "resize_reverting", arguments);
    }

    public static async Task RevertAsync(this ComputeSite site, Server server, JObject migration, string vmState = "active")
    {
        await site.RequestRevertAsync(server, migration);
        await site.StateAsync(server, vmState);
        await site.QuietAsync(server);
    }

    /// <summary>Waits until every event of the server's newest action is over. Those of a service that was killed never are.</summary>
    public static Task QuietAsync(this ComputeSite site, Server server) => site.UntilAsync(
        $"nothing is being done to {server.Uuid}",
        () => Task.FromResult(site.Plane.Conductor.Locked(c => c.Actions.Last(a => a.InstanceUuid == server.Uuid).Events.All(e => e.Result is not null))));

    public static string Status(this ComputeSite site, JObject migration) => site.Plane.Conductor.Locked(c =>
        (string)c.Migrations.Single(m => (string?)m["uuid"] == (string?)migration["uuid"])["status"]!);

    /// <summary>MEMORY_MB that a consumer has; null: nothing.</summary>
    public static int? Allocated(this ComputeSite site, string consumer) =>
        site.Plane.Cloud.Placement.Consumers.TryGetValue(consumer, out var found) && found.Allocations.TryGetValue(site.Provider(), out var amounts)
            ? amounts["MEMORY_MB"]
            : null;

    public static async Task<ContainerInfo> ContainerAsync(this ComputeSite site, Server server) =>
        (await site.Driver.FindAsync(Guid.Parse(server.Uuid), CancellationToken.None))!;

    /// <summary>Runs a command in the guest and returns what it printed.</summary>
    public static async Task<string> RunInAsync(this ComputeSite site, Server server, params string[] command)
    {
        var result = await ((IGuestAccess)site.Driver).ExecAsync(Guid.Parse(server.Uuid), new ExecRequest { Command = command, Timeout = TimeSpan.FromMinutes(5) }, CancellationToken.None);
        Assert.True(result.ExitCode == 0, System.Text.Encoding.UTF8.GetString(result.StandardError));
        return System.Text.Encoding.UTF8.GetString(result.StandardOutput).Trim();
    }

    /// <summary>vcpus, memory_mb and local_gb in use, as the compute node's row has it.</summary>
    public static (int Vcpus, int MemoryMb, int DiskGb) Used(this ComputeSite site) => site.Plane.Conductor.Locked(c =>
    {
        var node = Assert.Single(c.ComputeNodes);
        return ((int)node["vcpus_used"]!, (int)node["memory_mb_used"]!, (int)node["local_gb_used"]!);
    });

    private static string Provider(this ComputeSite site) => site.Plane.Cloud.Placement.Providers.Values.Single(p => p.Name == site.Node).Uuid;

    private static JObject Move(ComputeSite site, JObject migration, string status)
    {
        var row = site.Plane.Conductor.Locked(c =>
        {
            var found = c.Migrations.Single(m => (string?)m["uuid"] == (string?)migration["uuid"]);
            found["status"] = status;
            return (JObject)found.DeepClone();
        });
        return new JObject { ["migration"] = Primitive(row) };
    }

    private static JObject Primitive(JObject migration) => new()
    {
        ["nova_object.name"] = "Migration",
        ["nova_object.namespace"] = "nova",
        ["nova_object.version"] = "1.7",
        ["nova_object.data"] = migration.DeepClone(),
    };

    private static (string ResourceClass, int Amount)[] Amounts(JObject flavor) =>
        [("VCPU", (int)flavor["vcpus"]!), ("MEMORY_MB", (int)flavor["memory_mb"]!), ("DISK_GB", Math.Max(1, (int)flavor["root_gb"]!))];
}
