using Newtonsoft.Json.Linq;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>A server of a host that has failed, and what API, conductor and scheduler do to bring it to this one.</summary>
internal static class Evacuations
{
    /// <summary>The host that has failed. Nothing of it is there but what the neighbours know.</summary>
    public const string Elsewhere = "failed";

    private const string ElsewhereNode = "failed-node";
    private static int _lastId;

    /// <summary>A server that was on another host, with a port there.</summary>
    public static Server NewServerElsewhere(this ComputeSite site, string vmState = "active")
    {
        var server = site.NewServer(new ServerRequest { ImageId = site.AddImage() });
        site.Plane.Conductor.Locked(c =>
        {
            var row = c.Instances[server.Uuid];
            (row["vm_state"], row["task_state"], row["power_state"]) = (vmState, null, vmState == "active" ? 1 : 4);
            return 0;
        });
        site.Plane.Cloud.Neutron.AddHost(Elsewhere);
        site.Plane.Cloud.Neutron.AddPort(site.Plane.NetworkId, ControlPlane.ProjectId, new JObject
        {
            ["device_id"] = server.Uuid,
            ["device_owner"] = "compute:nova",
            ["binding:host_id"] = Elsewhere,
            ["status"] = "ACTIVE",
        });
        site.MoveRowElsewhere(server);
        site.Plane.Cloud.Placement.Consumers[server.Uuid].Allocations.Remove(site.HereProvider());
        return server;
    }

    /// <summary>By its row and by what it has allocated.</summary>
    public static void MoveRowElsewhere(this ComputeSite site, Server server)
    {
        site.Plane.Conductor.Locked(c =>
        {
            var row = c.Instances[server.Uuid];
            (row["host"], row["node"], row["launched_on"]) = (Elsewhere, ElsewhereNode, Elsewhere);
            return 0;
        });
        var there = site.Plane.Cloud.Placement.Providers.Values.FirstOrDefault(p => p.Name == ElsewhereNode)?.Uuid;
        if (there is null)
        {
            there = Guid.NewGuid().ToString();
            site.Plane.Cloud.Placement.AddProvider(there, ElsewhereNode);
            var inventories = site.Plane.Cloud.Placement.Providers[site.HereProvider()].Inventories;
            site.Plane.Cloud.Placement.ChangeProvider(there, p => p.Inventories = inventories.ToDictionary(i => i.Key, i => (JObject)i.Value.DeepClone()));
        }

        site.Plane.Cloud.Placement.Consumers[server.Uuid].Allocations[there] = Amounts();
    }

    /// <summary>A migration as the API makes it.</summary>
    public static JObject AddEvacuation(this ComputeSite site, Server server, string source, string sourceNode, string status = "accepted")
    {
        var migration = (JObject)Resizes.Recording["prep_resize"]!["migration"]!["nova_object.data"]!.DeepClone();
        (migration["id"], migration["uuid"], migration["instance_uuid"]) = (5000 + Interlocked.Increment(ref _lastId), Guid.NewGuid().ToString(), server.Uuid);
        (migration["source_compute"], migration["source_node"], migration["status"], migration["migration_type"]) = (source, sourceNode, status, "evacuation");
        foreach (var field in new[] { "dest_compute", "dest_node", "dest_host", "old_instance_type_id", "new_instance_type_id" })
        {
            migration[field] = null;
        }

        site.Plane.Conductor.Locked(c => { c.Migrations.Add(migration); return 0; });
        return migration;
    }

    /// <summary>Asks for the evacuation; does not wait. Returns the request id.</summary>
    /// <param name="more">Arguments that are not as usual.</param>
    public static async Task<string> SendEvacuateAsync(this ComputeSite site, Server server, JObject? more = null)
    {
        site.Plane.Cloud.Placement.Consumers[server.Uuid].Allocations[site.HereProvider()] = Amounts();
        var arguments = new JObject
        {
            ["image_ref"] = null,
            ["orig_image_ref"] = null,
            ["orig_sys_metadata"] = null,
            ["injected_files"] = null,
            ["new_pass"] = null,
            ["bdms"] = null,
            ["recreate"] = true,
            ["on_shared_storage"] = null,
            ["preserve_ephemeral"] = false,
            ["migration"] = new JObject
            {
                ["nova_object.name"] = "Migration",
                ["nova_object.namespace"] = "nova",
                ["nova_object.version"] = "1.7",
                ["nova_object.data"] = site.AddEvacuation(server, Elsewhere, ElsewhereNode).DeepClone(),
            },
            ["scheduled_node"] = site.Node,
            ["limits"] = new JObject(),
            ["request_spec"] = server.Arguments["request_spec"]!.DeepClone(),
            ["accel_uuids"] = new JArray(),
            ["reimage_boot_volume"] = false,
        };
        arguments.Merge(more ?? []);
        return await site.SendAsync(server, "rebuild_instance", "rebuilding", arguments);
    }

    /// <summary>The same, and waits for its end with the task taken back. Returns "Success" or "Error".</summary>
    public static async Task<string> EvacuateAsync(this ComputeSite site, Server server, JObject? more = null) =>
        await site.RebuiltAsync(server, await site.SendEvacuateAsync(server, more));

    /// <summary>Status of the server's newest migration.</summary>
    public static string EvacuationStatus(this ComputeSite site, Server server) =>
        site.Plane.Conductor.Locked(c => (string)c.Migrations.Last(m => (string?)m["instance_uuid"] == server.Uuid)["status"]!);

    /// <summary>Whether the server has something allocated here, and on the other host.</summary>
    public static (bool Here, bool Elsewhere) Allocations(this ComputeSite site, Server server)
    {
        var providers = site.Plane.Cloud.Placement.Consumers.TryGetValue(server.Uuid, out var found) ? found.Allocations.Keys.ToList() : [];
        var here = providers.Contains(site.HereProvider());
        return (here, providers.Count > (here ? 1 : 0));
    }

    private static string HereProvider(this ComputeSite site) => site.Plane.Cloud.Placement.Providers.Values.Single(p => p.Name == site.Node).Uuid;

    private static Dictionary<string, int> Amounts() => new() { ["VCPU"] = 1, ["MEMORY_MB"] = 64, ["DISK_GB"] = 1 };
}
