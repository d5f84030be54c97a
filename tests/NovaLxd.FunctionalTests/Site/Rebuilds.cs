using Newtonsoft.Json.Linq;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>What API and conductor do for a rebuild.</summary>
internal static class Rebuilds
{
    /// <summary>Puts the new image into the row, as the API does, and sends the message. Returns the request id.</summary>
    /// <param name="more">Arguments that are not as usual.</param>
    public static async Task<string> SendRebuildAsync(this ComputeSite site, Server server, string image, JObject? more = null)
    {
        var (oldImage, oldMetadata) = site.Plane.Conductor.Locked(c =>
        {
            var row = c.Instances[server.Uuid];
            var (imageRef, metadata) = ((string?)row["image_ref"], (JObject)row["system_metadata"]!.DeepClone());
            var kept = metadata.Properties().Where(p => !p.Name.StartsWith("image_", StringComparison.Ordinal));
            var properties = site.Plane.Cloud.Glance.Images.GetValueOrDefault(image)?.Properties().Where(p => p.Name.StartsWith("hw_", StringComparison.Ordinal)) ?? [];
            row["system_metadata"] = new JObject(kept.Append(new JProperty("image_base_image_ref", image)).Concat(
                properties.Select(p => new JProperty("image_" + p.Name, p.Value))));
            row["image_ref"] = image;
            row["progress"] = 0;
            return (imageRef, metadata);
        });
        var arguments = new JObject
        {
            ["image_ref"] = image,
            ["orig_image_ref"] = oldImage,
            ["orig_sys_metadata"] = oldMetadata,
            ["injected_files"] = new JArray(),
            ["new_pass"] = "vabXX8WCjMEW",
            ["bdms"] = server.Arguments["block_device_mapping"]!.DeepClone(),
            ["recreate"] = false,
            ["on_shared_storage"] = false,
            ["preserve_ephemeral"] = false,
            ["migration"] = null,
            ["scheduled_node"] = null,
            ["limits"] = null,
            ["request_spec"] = server.Arguments["request_spec"]!.DeepClone(),
            ["accel_uuids"] = new JArray(),
            ["reimage_boot_volume"] = false,
        };
        arguments.Merge(more ?? []);
        return await site.SendAsync(server, "rebuild_instance", "rebuilding", arguments);
    }

    /// <summary>The same, and waits for its end with the task taken back. Returns "Success" or "Error".</summary>
    public static async Task<string> RebuildAsync(this ComputeSite site, Server server, string image, JObject? more = null) =>
        await site.RebuiltAsync(server, await site.SendRebuildAsync(server, image, more));

    /// <summary>Waits for the end of a rebuild that was sent.</summary>
    public static async Task<string> RebuiltAsync(this ComputeSite site, Server server, string requestId)
    {
        // Not the newest event: a stop within the rebuild has one of its own.
        string? Result() => site.Plane.Conductor.Locked(c =>
            c.Actions.FindLast(a => a.RequestId == requestId)?.Events.Find(e => e.Name == "compute_rebuild_instance")?.Result);
        await site.UntilAsync($"the rebuild {requestId} is finished", () => Task.FromResult(Result() is not null));
        if (Result() == "Error")
        {
            await site.UntilAsync($"{server.Uuid} has no task", async () => (string?)(await site.RowAsync(server))["task_state"] is null);
        }

        return Result()!;
    }
}
