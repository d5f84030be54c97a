using Newtonsoft.Json.Linq;
using NovaLxd.OpenStack.Http;
using Refit;

namespace NovaLxd.OpenStack.Glance;

/// <summary>The Image API v2 calls of a compute service (nova/image/glance.py). Use <see cref="GlanceClient"/>.</summary>
public interface IGlanceApi
{
    [Get("/v2/images/{id}")]
    Task<Image> ShowAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string id, CancellationToken cancellationToken);

    [Get("/v2/images")]
    Task<ImagePage> ListAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, [Query] Dictionary<string, string> query, CancellationToken cancellationToken);

    /// <summary><paramref name="range"/>: "bytes=N-" to go on from the middle, null for all. The caller disposes the answer.</summary>
    [Get("/v2/images/{id}/file")]
    Task<HttpResponseMessage> DownloadAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller,
        [Property(RequestOptions.StreamKey)] bool stream,
        string id,
        [Header("Range")] string? range,
        CancellationToken cancellationToken);

    [Post("/v2/images")]
    Task<Image> CreateAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, [Body] JObject image, CancellationToken cancellationToken);

    [Patch("/v2/images/{id}")]
    Task<Image> UpdateAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string id, [Body] HttpContent changes, CancellationToken cancellationToken);

    [Put("/v2/images/{id}/file")]
    [Headers("Content-Type: application/octet-stream")]
    Task UploadAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller,
        [Property(RequestOptions.StreamKey)] bool stream,
        string id,
        [Body] Stream data,
        CancellationToken cancellationToken);

    [Delete("/v2/images/{id}")]
    Task DeleteAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string id, CancellationToken cancellationToken);
}
