using Newtonsoft.Json.Linq;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>What API, conductor and scheduler do for shelving.</summary>
internal static class Shelving
{
    /// <summary>The image that the API queues for it.</summary>
    public static string QueueImage(this ComputeSite site, Server server) => site.Plane.Cloud.Glance.QueueImage(
        "guest-shelved", new JObject { ["image_type"] = "snapshot", ["instance_uuid"] = server.Uuid }, ControlPlane.Project);

    public static Task<string> SendShelveAsync(this ComputeSite site, Server server, string image) =>
        site.SendAsync(server, "shelve_instance", "shelving", new JObject { ["image_id"] = image, ["clean_shutdown"] = false, ["accel_uuids"] = new JArray() });

    public static async Task<string> ShelveAsync(this ComputeSite site, Server server, string image)
    {
        var result = await site.FinishedAsync(await site.SendShelveAsync(server, image));
        if (result == "Error")
        {
            await site.UntilAsync($"{server.Uuid} has no task", async () => (string?)(await site.RowAsync(server))["task_state"] is null);
        }

        return result;
    }

    /// <summary>The conductor has the image from Glance, and the scheduler has allocated this host.</summary>
    public static Task<string> SendUnshelveAsync(this ComputeSite site, Server server, string image)
    {
        var provider = site.Plane.Cloud.Placement.Providers.Values.Single(p => p.Name == site.Node).Uuid;
        site.Plane.Cloud.Placement.Allocate(
            server.Uuid, provider, ControlPlane.ProjectId, "alice", ("VCPU", 1), ("MEMORY_MB", 64), ("DISK_GB", 1));
        site.Plane.Conductor.Locked(c => c.Instances[server.Uuid]["availability_zone"] = "nova");
        return site.SendAsync(server, "unshelve_instance", "unshelving", new JObject
        {
            ["image"] = site.Plane.Cloud.Glance.Images[image],
            ["filter_properties"] = new JObject { ["limits"] = new JObject() },
            ["node"] = site.Node,
            ["request_spec"] = server.Arguments["request_spec"]!.DeepClone(),
            ["accel_uuids"] = new JArray(),
        });
    }

    public static async Task<string> UnshelveAsync(this ComputeSite site, Server server, string image)
    {
        var result = await site.FinishedAsync(await site.SendUnshelveAsync(server, image));
        if (result == "Error")
        {
            await site.UntilAsync($"{server.Uuid} has no task", async () => (string?)(await site.RowAsync(server))["task_state"] is null);
        }

        return result;
    }

    public static async Task AssertOffloadedAsync(this ComputeSite site, Server server)
    {
        await site.StateAsync(server, "shelved_offloaded");
        await site.UntilAsync("it is on no host", async () => (string?)(await site.RowAsync(server))["host"] is null);
        var row = await site.RowAsync(server);
        Assert.Equal((null, null, 4), ((string?)row["node"], (string?)row["launched_on"], (int?)row["power_state"]));
        Assert.Empty(site.Guests());
        Assert.DoesNotContain(server.Uuid, site.Plane.Cloud.Placement.Consumers.Keys);
        Assert.DoesNotContain(site.Plane.PortsSeen, ComputeSite.TapExists);
        Assert.Single(site.Ports(server));
        Assert.Empty(Directory.EnumerateFileSystemEntries(site.StateFolder, $"*{server.Uuid}*", SearchOption.AllDirectories));
    }
}
