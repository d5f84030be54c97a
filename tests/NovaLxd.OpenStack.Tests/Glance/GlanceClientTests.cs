using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.OpenStack.Glance;
using NovaLxd.TestCloud.Glance;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.OpenStack.Tests.Glance;

public sealed class GlanceClientTests : CloudTest
{
    private static readonly byte[] Content = Bytes(1_000_000);

    private static byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        new Random(7).NextBytes(bytes);
        return bytes;
    }

    private GlanceClient Client(params (string, string?)[] set) => Start(set).GetRequiredService<GlanceClient>();

    private string AddImage() => Cloud.Glance.AddImage("debian", Content, JObject.Parse("""{"hw_disk_bus":"virtio","os_distro":"debian","min_ram":64}"""));

    private async Task<byte[]> DownloadAsync(GlanceClient glance, string id)
    {
        using var memory = new MemoryStream();
        var image = await glance.ShowAsync(User(), id, Never);
        var written = await glance.DownloadAsync(User(), image, memory, Never);
        Assert.Equal(memory.Length, written);
        return memory.ToArray();
    }

    [Fact]
    public async Task RecordIsReadWithItsCustomProperties()
    {
        var image = await Client().ShowAsync(User(), AddImage(), Never);
        Assert.Equal(("active", 1_000_000L, 64, "sha512"), (image.Status, image.Size, image.MinRam, image.OsHashAlgo));
        Assert.Equal("virtio", (string?)image.Properties["hw_disk_bus"]);
    }

    [Fact]
    public async Task DataIsDownloadedAndChecked() => Assert.Equal(Content, await DownloadAsync(Client(), AddImage()));

    [Fact]
    public async Task DataThatDoesNotMatchItsHashIsRefused()
    {
        var id = AddImage();
        Cloud.Glance.Corrupt(id);
        var failure = await Assert.ThrowsAsync<ImageCorruptException>(() => DownloadAsync(Client(), id));
        Assert.Contains("sha512", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task BrokenDownloadGoesOnWhereItBroke(bool supportsRange)
    {
        var id = AddImage();
        Cloud.Glance.SupportsRange = supportsRange;
        Cloud.Glance.Faults.Add(new Fault("GET", "/file$") { AbortAfterBytes = 300_000, Times = 1 });
        Cloud.Glance.Faults.Add(new Fault("GET", "/file$") { AbortAfterBytes = 650_000, Times = 1 });
        Assert.Equal(Content, await DownloadAsync(Client(), id));
        var ranges = Cloud.Glance.Requests.Where(r => r.Path.EndsWith("/file", StringComparison.Ordinal)).Select(r => r.Header("Range")).ToList();
        Assert.Equal(3, ranges.Count);
        Assert.Null(ranges[0]);
        Assert.StartsWith("bytes=", ranges[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task DownloadThatNeverGetsAnywhereFailsInTheEnd()
    {
        var id = AddImage();
        Cloud.Glance.Faults.Add(new Fault("GET", "/file$") { AbortAfterBytes = 1000, Times = 1 });
        Cloud.Glance.Faults.Add(new Fault("GET", "/file$") { AbortAfterBytes = 0 });
        await Assert.ThrowsAsync<ServiceUnreachableException>(() => DownloadAsync(Client(("glance.num_retries", "1")), id));
    }

    [Fact]
    public async Task MissingForbiddenAndEmptyImagesAreToldApart()
    {
        var glance = Client();
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync("00000000-0000-0000-0000-000000000000"));
        var queued = (await glance.CreateAsync(User(), JObject.Parse("""{"name":"empty"}"""), Never)).Id;
        Assert.Equal(HttpStatusCode.NoContent, await StatusAsync(queued));
        Cloud.Glance.Faults.Add(Fault.Answer(403));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(queued));

        async Task<HttpStatusCode> StatusAsync(string id) =>
            (await Assert.ThrowsAsync<OpenStackHttpException>(async () => await (await glance.OpenAsync(User(), id, Never)).DisposeAsync())).Status;
    }

    [Fact]
    public async Task HtmlOfAnErrorBecomesASentence()
    {
        var failure = await Assert.ThrowsAsync<OpenStackHttpException>(() => Client().ShowAsync(User(), "none", Never));
        Assert.Contains("No image found with ID none", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("<", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SnapshotIsDescribedAndUploaded()
    {
        var glance = Client();
        var image = await glance.CreateAsync(User(), JObject.Parse("""{"name":"snap"}"""), Never);
        Assert.Equal("queued", image.Status);
        var changed = await glance.UpdateAsync(
            User(),
            image.Id,
            [ImageChange.Set("disk_format", "raw"), ImageChange.Set("container_format", "bare"), ImageChange.Set("image_state", "available"), ImageChange.Set("a/b~c", "x")],
            Never);
        Assert.Equal("available", (string?)changed.Properties["image_state"]);
        Assert.Equal("x", (string?)changed.Properties["a/b~c"]);
        using var data = new MemoryStream(Content);
        await glance.UploadAsync(User(), image.Id, data, Never);
        Assert.Equal(Content, Cloud.Glance.Data(image.Id));
        Assert.Equal("active", (await glance.ShowAsync(User(), image.Id, Never)).Status);
        var refused = await Assert.ThrowsAsync<OpenStackHttpException>(() => glance.UpdateAsync(User(), image.Id, [ImageChange.Set("disk_format", "qcow2")], Never));
        Assert.Equal(HttpStatusCode.Forbidden, refused.Status);
    }

    [Fact]
    public async Task FailedUploadIsNotRepeatedWithHalfAStream()
    {
        var glance = Client();
        var image = await glance.CreateAsync(User(), JObject.Parse("""{"name":"snap","disk_format":"raw","container_format":"bare"}"""), Never);
        Cloud.Glance.Faults.Add(Fault.Answer(503, "PUT"));
        using var data = new MemoryStream(Content);
        await Assert.ThrowsAsync<OpenStackHttpException>(() => glance.UploadAsync(User(), image.Id, data, Never));
        Assert.Single(Cloud.Glance.Requests, r => r.Method == "PUT");
    }

    [Fact]
    public async Task BackupsAreListedAndDeleted()
    {
        var glance = Client();
        var ids = Enumerable.Range(0, 3).Select(i => Cloud.Glance.AddImage($"b{i}", [1], JObject.Parse("""{"image_type":"backup","instance_uuid":"i1"}"""))).ToList();
        AddImage();
        var found = await glance.ListAsync(User(), new Dictionary<string, string> { ["image_type"] = "backup", ["instance_uuid"] = "i1", ["sort_key"] = "created_at", ["sort_dir"] = "desc" }, Never);
        Assert.Equal(ids.AsEnumerable().Reverse(), found.Select(i => i.Id));
        Assert.True(await glance.DeleteAsync(User(), ids[0], Never));
        Assert.False(await glance.DeleteAsync(User(), ids[0], Never));
    }

    [Fact]
    public async Task DeadServerOfApiServersCostsOneAttempt()
    {
        await using var second = new FakeGlance(Cloud.Keystone);
        await second.StartAsync();
        var id = second.AddImage("x", [1, 2, 3], new JObject { ["id"] = "ea9211b6-6d9a-4a2f-ad74-7342ac7188e5" });
        Cloud.Glance.AddImage("x", [1, 2, 3], new JObject { ["id"] = id });
        var glance = Client(("glance.api_servers", $"{Cloud.Glance.Url},{second.Url.Replace("http://", "", StringComparison.Ordinal)}"));
        await Cloud.Glance.GoDownAsync();
        for (var i = 0; i < 4; i++)
            Assert.Equal([1, 2, 3], await DownloadAsync(glance, id));
        Assert.Equal(8, second.Requests.Count);
    }
}
