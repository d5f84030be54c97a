using System.Buffers;
using System.Net;
using Newtonsoft.Json.Linq;
using NovaLxd.OpenStack.Http;

namespace NovaLxd.OpenStack.Glance;

/// <summary>
/// Images for the compute service. Servers of [glance] api_servers are tried in turn, [glance] num_retries times after the first.
/// </summary>
public sealed class GlanceClient(IGlanceApi api, OpenStackOptions options, TimeProvider time)
{
    private const string JsonPatch = "application/openstack-images-v2.1-json-patch";

    public Task<Image> ShowAsync(OpenStackCaller caller, string id, CancellationToken cancellationToken) => api.ShowAsync(caller, id, cancellationToken);

    /// <summary>All images that match, every page; <paramref name="query"/>: Glance's filters, for instance image_type, backup_type, instance_uuid, sort_key, sort_dir.</summary>
    public async Task<IReadOnlyList<Image>> ListAsync(OpenStackCaller caller, IReadOnlyDictionary<string, string> query, CancellationToken cancellationToken)
    {
        var parameters = query.ToDictionary();
        var all = new List<Image>();
        while (true)
        {
            var page = await api.ListAsync(caller, parameters, cancellationToken);
            all.AddRange(page.Images);
            if (page.Next is null || page.Images is not [.., var last])
                return all;
            parameters["marker"] = last.Id;
        }
    }

    /// <summary>
    /// The image's data. A connection that breaks or stalls is taken up again where it broke; the stream fails when that does not help.
    /// </summary>
    /// <exception cref="OpenStackHttpException">404 no such image, 403 not allowed, 204 it has no data.</exception>
    public async Task<Stream> OpenAsync(OpenStackCaller caller, string id, CancellationToken cancellationToken) =>
        await ImageStream.OpenAsync(api, caller, id, options.Glance.Adapter, time, cancellationToken);

    /// <summary>Copies the image's data to <paramref name="destination"/> and checks it against the hash in <paramref name="image"/>.</summary>
    /// <returns>The number of bytes.</returns>
    /// <exception cref="ImageCorruptException">The data is not what Glance's hash says; what was written is to be thrown away.</exception>
    public async Task<long> DownloadAsync(OpenStackCaller caller, Image image, Stream destination, CancellationToken cancellationToken)
    {
        await using var source = await OpenAsync(caller, image.Id, cancellationToken);
        using var check = ImageHash.For(image);
        var buffer = ArrayPool<byte>.Shared.Rent(256 * 1024);
        try
        {
            long total = 0;
            for (int read; (read = await source.ReadAsync(buffer, cancellationToken)) > 0; total += read)
            {
                check?.Append(buffer.AsSpan(0, read));
                await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }

            check?.Verify(image.Id);
            return total;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public Task<Image> CreateAsync(OpenStackCaller caller, JObject image, CancellationToken cancellationToken) => api.CreateAsync(caller, image, cancellationToken);

    /// <summary>Changes properties. disk_format and container_format only while the image is still queued.</summary>
    public Task<Image> UpdateAsync(OpenStackCaller caller, string id, IReadOnlyList<ImageChange> changes, CancellationToken cancellationToken) =>
        api.UpdateAsync(caller, id, new NewtonsoftContentSerializer(JsonPatch).ToHttpContent(changes), cancellationToken);

    /// <summary>Uploads the data of a queued image. The stream can be read once only, so a failure is not repeated.</summary>
    public Task UploadAsync(OpenStackCaller caller, string id, Stream data, CancellationToken cancellationToken) =>
        api.UploadAsync(caller, stream: true, id, data, cancellationToken);

    /// <summary>False: it was gone already.</summary>
    public async Task<bool> DeleteAsync(OpenStackCaller caller, string id, CancellationToken cancellationToken)
    {
        try
        {
            await api.DeleteAsync(caller, id, cancellationToken);
            return true;
        }
        catch (OpenStackHttpException e) when (e.Status is HttpStatusCode.NotFound or HttpStatusCode.Gone)
        {
            return false;
        }
    }
}
