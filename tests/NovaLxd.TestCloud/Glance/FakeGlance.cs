using System.Globalization;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Newtonsoft.Json.Linq;
using NovaLxd.TestCloud.Http;
using NovaLxd.TestCloud.Keystone;

namespace NovaLxd.TestCloud.Glance;

/// <summary>
/// Image API v2: records with custom properties, data with MD5 and SHA-512, queued and active, JSON patch, ranges.
/// </summary>
public sealed class FakeGlance(FakeKeystone keystone) : AuthenticatedService("glance", keystone)
{
    private static readonly string[] Fixed = ["id", "status", "size", "checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at", "file", "schema", "self", "owner"];

    private readonly Dictionary<string, JObject> images = [];
    private readonly Dictionary<string, byte[]> data = [];

    /// <summary>Whether Range is understood; a proxy in front may drop it.</summary>
    public bool SupportsRange { get; set; } = true;

    /// <summary>Called with the id when all data of an upload has come, before the image is active.</summary>
    public Func<string, Task> Uploaded { get; set; } = _ => Task.CompletedTask;

    public IReadOnlyDictionary<string, JObject> Images
    {
        get
        {
            lock (State)
                return images.ToDictionary(i => i.Key, i => (JObject)i.Value.DeepClone());
        }
    }

    public byte[]? Data(string id)
    {
        lock (State)
            return data.GetValueOrDefault(id);
    }

    /// <summary>An active image with data, as somebody uploaded it before. Returns its id.</summary>
    public string AddImage(string name, byte[] content, JObject? properties = null, string project = "admin")
    {
        lock (State)
        {
            var given = new JObject { ["name"] = name, ["disk_format"] = "raw", ["container_format"] = "bare", ["visibility"] = "public" };
            given.Merge(properties ?? []);
            var id = (string)Create(given, FakeKeystone.IdOf(project))["id"]!;
            Store(id, content);
            return id;
        }
    }

    /// <summary>A queued image, as Nova's API makes one for a snapshot. Returns its id.</summary>
    public string QueueImage(string name, JObject? properties = null, string project = "admin")
    {
        lock (State)
        {
            var given = new JObject { ["name"] = name, ["visibility"] = "private" };
            given.Merge(properties ?? []);
            return (string)Create(given, FakeKeystone.IdOf(project))["id"]!;
        }
    }

    /// <summary>Somebody deletes an image, whatever is being done with it.</summary>
    public void RemoveImage(string id)
    {
        lock (State)
        {
            images.Remove(id);
            data.Remove(id);
        }
    }

    /// <summary>Makes the stored data differ from its hash.</summary>
    public void Corrupt(string id)
    {
        lock (State)
            data[id][data[id].Length / 2] ^= 0xff;
    }

    protected override string ErrorBody(HttpContext context, int status, string message, string code) =>
        $"<html>\n <head>\n  <title>{status} Error</title>\n </head>\n <body>\n  <h1>{status} Error</h1>\n  {message}<br /><br />\n\n\n </body>\n</html>";

    protected override bool IsData(HttpRequest request) => request.Method == "PUT" && request.Path.Value?.EndsWith("/file", StringComparison.Ordinal) == true;

    protected override void Map(IEndpointRouteBuilder routes)
    {
        Route(routes, "GET", "/", _ => (300, new JObject { ["versions"] = new JArray(new JObject { ["id"] = "v2.15", ["status"] = "CURRENT" }) }));
        Route(routes, "GET", "/v2/images/{id}", request => (200, Find(request["id"])));
        Route(routes, "GET", "/v2/images", request => (200, new JObject
        {
            ["images"] = new JArray(images.Values.Where(i => Matches(i, request)).OrderBy(i => (string?)i["created_at"], StringComparer.Ordinal).Reverse()),
        }));
        Route(routes, "POST", "/v2/images", request => (201, Create(request.Json, Token(request).ProjectId)));
        Route(routes, "PATCH", "/v2/images/{id}", Patch);
        Route(routes, "DELETE", "/v2/images/{id}", request =>
        {
            var image = Find(request["id"]);
            if ((bool?)image["protected"] == true)
                throw new ServiceFailureException(403, $"Image {request["id"]} is protected and cannot be deleted.");
            images.Remove(request["id"]);
            data.Remove(request["id"]);
            return (204, null);
        });
        routes.MapGet("/v2/images/{id}/file", DownloadAsync);
        routes.MapPut("/v2/images/{id}/file", UploadAsync);
    }

    private async Task DownloadAsync(HttpContext context)
    {
        var id = (string)context.Request.RouteValues["id"]!;
        byte[]? content;
        lock (State)
        {
            Find(id);
            content = data.GetValueOrDefault(id);
        }

        var response = context.Response;
        if (content is null)
        {
            response.StatusCode = 204;
            return;
        }

        var start = 0;
        if (SupportsRange && context.Request.Headers.Range.FirstOrDefault() is { } range)
        {
            start = int.Parse(range["bytes=".Length..].Split('-')[0], CultureInfo.InvariantCulture);
            response.StatusCode = 206;
            response.Headers.ContentRange = $"bytes {start}-{content.Length - 1}/{content.Length}";
        }

        response.ContentType = "application/octet-stream";
        response.ContentLength = content.Length - start;
        for (var at = start; at < content.Length; at += 64 * 1024)
            await response.Body.WriteAsync(content.AsMemory(at, Math.Min(64 * 1024, content.Length - at)), context.RequestAborted);
    }

    private async Task UploadAsync(HttpContext context)
    {
        var id = (string)context.Request.RouteValues["id"]!;
        if (context.Request.ContentType != "application/octet-stream")
            throw new ServiceFailureException(415, "Unsupported Media Type: use application/octet-stream");
        lock (State)
        {
            var image = Find(id);
            if ((string?)image["status"] != "queued")
                throw new ServiceFailureException(409, $"Image status transition from {image["status"]} to saving is not allowed");
            if (image["disk_format"]?.Type is null or JTokenType.Null || image["container_format"]?.Type is null or JTokenType.Null)
                throw new ServiceFailureException(400, "disk_format and container_format must be set before data is uploaded");
            image["status"] = "saving";
        }

        using var buffer = new MemoryStream();
        await context.Request.Body.CopyToAsync(buffer, context.RequestAborted);
        await Uploaded(id);
        lock (State)
        {
            if (!images.ContainsKey(id))
                throw new ServiceFailureException(410, $"Image {id} could not be found after upload. The image may have been deleted during the upload.");
            Store(id, buffer.ToArray());
        }

        context.Response.StatusCode = 204;
    }

    private (int, JToken?) Patch(FakeRequest request)
    {
        if (request.Header("Content-Type") != "application/openstack-images-v2.1-json-patch")
            throw new ServiceFailureException(415, "Unsupported Media Type: use application/openstack-images-v2.1-json-patch");
        var image = Find(request["id"]);
        foreach (var change in JArray.Parse((string)request.Context.Items["body"]!))
        {
            var name = ((string)change["path"]!)[1..].Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            if (Fixed.Contains(name))
                throw new ServiceFailureException(403, $"Attribute '{name}' is read-only.");
            if (name is "disk_format" or "container_format" && (string?)image["status"] != "queued")
                throw new ServiceFailureException(403, $"Attribute {name} can be only replaced for a queued image.");
            switch ((string?)change["op"])
            {
                case "add" or "replace":
                    image[name] = change["value"]!.DeepClone();
                    break;
                case "remove" when image.Remove(name):
                    break;
                case "remove":
                    throw new ServiceFailureException(409, $"Property {name} does not exist.");
                default:
                    throw new ServiceFailureException(400, "Unrecognized JSON Schema draft version");
            }
        }

        return (200, image);
    }

    private JObject Find(string id) => images.GetValueOrDefault(id) ?? throw new ServiceFailureException(404, $"No image found with ID {id}");

    private JObject Create(JObject given, string project)
    {
        var now = DateTimeOffset.UnixEpoch.AddSeconds(images.Count).UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
        var id = (string?)given["id"] ?? Guid.NewGuid().ToString();
        var image = new JObject
        {
            ["id"] = id,
            ["name"] = null,
            ["status"] = "queued",
            ["disk_format"] = null,
            ["container_format"] = null,
            ["size"] = null,
            ["virtual_size"] = null,
            ["checksum"] = null,
            ["os_hash_algo"] = null,
            ["os_hash_value"] = null,
            ["min_disk"] = 0,
            ["min_ram"] = 0,
            ["visibility"] = "shared",
            ["protected"] = false,
            ["os_hidden"] = false,
            ["owner"] = project,
            ["tags"] = new JArray(),
            ["created_at"] = now,
            ["updated_at"] = now,
            ["self"] = $"/v2/images/{id}",
            ["file"] = $"/v2/images/{id}/file",
            ["schema"] = "/v2/schemas/image",
        };
        image.Merge(given, new JsonMergeSettings { MergeNullValueHandling = MergeNullValueHandling.Merge });
        return images[id] = image;
    }

    private void Store(string id, byte[] content)
    {
        data[id] = content;
        var image = images[id];
        image["status"] = "active";
        image["size"] = content.Length;
#pragma warning disable CA5351 // Glance's checksum is MD5.
        image["checksum"] = Convert.ToHexStringLower(MD5.HashData(content));
#pragma warning restore CA5351
        image["os_hash_algo"] = "sha512";
        image["os_hash_value"] = Convert.ToHexStringLower(SHA512.HashData(content));
    }

    private static bool Matches(JObject image, FakeRequest request) =>
        request.Context.Request.Query.Where(q => q.Key is not ("sort_key" or "sort_dir" or "limit" or "marker"))
            .All(q => (string?)image[q.Key] == q.Value.FirstOrDefault());
}
