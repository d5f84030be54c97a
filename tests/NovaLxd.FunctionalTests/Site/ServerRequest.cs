using System.Globalization;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>What is asked for when a server is created; the rest is as in a recorded request.</summary>
internal sealed record ServerRequest
{
    public required string ImageId { get; init; }

    /// <summary>Whether other hosts may try when this one fails.</summary>
    public bool MayReschedule { get; init; }

    /// <summary>GiB.</summary>
    public int RootGb { get; init; } = 1;

    /// <summary>GiB of the flavor, as one disk.</summary>
    public int EphemeralGb { get; init; }

    /// <summary>What is asked for besides, put into the arguments of build_and_run_instance.</summary>
    public Action<JObject>? Change { get; init; }
}

/// <summary>A server that was asked for.</summary>
/// <param name="Arguments">Of build_and_run_instance.</param>
internal sealed record Server(string Uuid, string RequestId, JObject Arguments)
{
    private static readonly JsonSerializerSettings Plain = new() { DateParseHandling = DateParseHandling.None };
    private static int _lastId = 1000;

    public static JObject Recording => JsonConvert.DeserializeObject<JObject>(
        File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "wire", "create-zed.json")), Plain)!;

    /// <summary>A new server from the recorded request.</summary>
    /// <param name="image">As Glance describes it.</param>
    public static Server From(ServerRequest request, JObject image, ControlPlane plane, string node)
    {
        var (uuid, id) = (Guid.NewGuid().ToString(), Interlocked.Increment(ref _lastId));
        var recorded = (JObject)Recording["arguments"]!;
        var old = (JObject)recorded["instance"]!["nova_object.data"]!;
        var text = recorded.ToString()
            .Replace((string)old["uuid"]!, uuid, StringComparison.Ordinal)
            .Replace((string)old["image_ref"]!, request.ImageId, StringComparison.Ordinal)
            .Replace((string)old["project_id"]!, ControlPlane.ProjectId, StringComparison.Ordinal)
            .Replace((string)recorded["requested_networks"]!["nova_object.data"]!["objects"]![0]!["nova_object.data"]!["network_id"]!,
                plane.NetworkId, StringComparison.Ordinal);
        var arguments = JsonConvert.DeserializeObject<JObject>(text, Plain)!;
        arguments["node"] = node;
        arguments["host_list"] = new JArray();
        var instance = (JObject)arguments["instance"]!["nova_object.data"]!;
        instance["id"] = id;
        instance["hostname"] = "guest" + id.ToString(CultureInfo.InvariantCulture);
        instance["root_gb"] = request.RootGb;
        instance["flavor"]!["nova_object.data"]!["root_gb"] = request.RootGb;
        foreach (var field in new[] { "checksum", "os_hash_algo", "os_hash_value", "size", "name", "owner" })
        {
            arguments["image"]![field] = image[field]?.DeepClone();
        }

        if (request.MayReschedule)
        {
            arguments["filter_properties"] = new JObject
            {
                ["retry"] = new JObject { ["num_attempts"] = 1, ["hosts"] = new JArray { new JArray("cmp1", node) } },
                ["limits"] = new JObject(),
            };
        }

        var device = (JObject)arguments["block_device_mapping"]!["nova_object.data"]!["objects"]![0]!["nova_object.data"]!;
        device["id"] = id;
        device["uuid"] = Guid.NewGuid().ToString();
        if (request.EphemeralGb > 0)
        {
            AddEphemeralDisk(arguments, request.EphemeralGb);
        }

        request.Change?.Invoke(arguments);
        return new Server(uuid, $"req-{Guid.NewGuid()}", arguments);
    }

    /// <summary>As the API does: the flavor allows it, and a block device mapping says so.</summary>
    private static void AddEphemeralDisk(JObject arguments, int gibibytes)
    {
        var instance = (JObject)arguments["instance"]!["nova_object.data"]!;
        (instance["ephemeral_gb"], instance["flavor"]!["nova_object.data"]!["ephemeral_gb"]) = (gibibytes, gibibytes);
        var devices = (JArray)arguments["block_device_mapping"]!["nova_object.data"]!["objects"]!;
        var disk = (JObject)devices[0].DeepClone();
        var data = (JObject)disk["nova_object.data"]!;
        (data["id"], data["uuid"], data["volume_size"], data["boot_index"]) = (100_000 + (int)data["id"]!, Guid.NewGuid().ToString(), gibibytes, -1);
        (data["source_type"], data["image_id"], data["device_name"]) = ("blank", null, null);
        devices.Add(disk);
    }
}
