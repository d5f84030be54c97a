using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.Messaging;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.FunctionalTests;

[Collection("site"), Trait("Lane", "functional")]
public sealed class CacheImagesTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;

    public async Task InitializeAsync() => _site = await ComputeSite.StartAsync(broker.Rabbit);

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task AnImageIsBroughtOnceAndServersBootFromItWithoutGlance()
    {
        var image = _site.AddImage();

        Assert.Equal("cached", await CacheAsync(image));
        Assert.Equal("existing", await CacheAsync(image));

        _site.Plane.Cloud.Glance.Faults.Add(Fault.Answer(503));
        await _site.CreateActiveAsync(new ServerRequest { ImageId = image });
    }

    [Fact]
    public async Task WhatCannotBeHadDoesNotKeepTheOthersAway()
    {
        var corrupt = _site.AddImage(BusyboxImage.Make());
        _site.Plane.Cloud.Glance.Corrupt(corrupt);
        var noArchive = _site.AddImage([.. Enumerable.Repeat((byte)7, 4096)]);
        var unknown = Guid.NewGuid().ToString();
        // Of content of its own: equal content is brought once.
        var good = _site.AddImage([.. BusyboxImage.Make(), .. new byte[512]]);

        var answer = await CacheAllAsync(corrupt, noArchive, unknown, good);

        Assert.Equal(
            new JObject { [corrupt] = "error", [noArchive] = "error", [unknown] = "error", [good] = "cached" }.ToString(), answer.ToString());
        Assert.Contains(unknown, _site.Log(), StringComparison.Ordinal);
    }

    private async Task<string?> CacheAsync(string image) => (string?)(await CacheAllAsync(image))[image];

    private async Task<JObject> CacheAllAsync(params string[] images) => (JObject)(await _site.Plane.Api.CallAsync(
        new RpcTarget("compute", _site.Mark, null, "6.0"), _site.Plane.NewContext($"req-{Guid.NewGuid()}"), "cache_images",
        new JObject { ["image_ids"] = new JArray(images.Cast<object>()) }, TimeSpan.FromMinutes(5)))!;
}
