using System.Globalization;
using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;

namespace NovaLxd.FunctionalTests;

/// <summary>Servers of flavors with an ephemeral disk: where it is, what it survives and what it does not.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class EphemeralDiskTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;

    public async Task InitializeAsync() => _site = await ComputeSite.StartAsync(broker.Rabbit);

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task ItLastsAsLongAsTheServerAndIsEmptyAfterARebuild()
    {
        var image = _site.AddImage();
        var server = await _site.CreateActiveAsync(new ServerRequest { ImageId = image, EphemeralGb = 1 });
        await AssertDiskAsync(server, 1);
        Assert.Equal((1, 64, 2), _site.Used());
        await _site.RunInAsync(server, "/bin/sh", "-c", "echo kept > /mnt/file");

        Assert.Equal("Success", await _site.ActAsync(server, "reboot_instance", "rebooting_hard", new JObject { ["block_device_info"] = null, ["reboot_type"] = "HARD" }));
        Assert.Equal("kept", await _site.RunInAsync(server, "/bin/cat", "/mnt/file"));

        Assert.Equal("Success", await _site.RebuildAsync(server, image));
        await AssertDiskAsync(server, 1);
        Assert.Equal(0, await _site.InGuestAsync(server, "[ ! -e /mnt/file ]"));

        Assert.Equal("Success", await _site.DeleteAsync(server));
        await _site.AssertGoneAsync(server);
    }

    [Fact]
    public async Task ALargerFlavorBringsItAndItsRevertTakesItAway()
    {
        var server = await _site.CreateActiveAsync();
        var flavor = Resizes.Flavor();
        flavor["nova_object.data"]!["ephemeral_gb"] = 2;

        var migration = await _site.ResizeAsync(server, flavor);
        await AssertDiskAsync(server, 2);

        await _site.RevertAsync(server, migration);
        Assert.NotEqual(0, await _site.InGuestAsync(server, "grep ' /mnt ' /proc/mounts"));
    }

    private async Task AssertDiskAsync(Server server, int gibibytes)
    {
        var kibibytes = (await _site.RunInAsync(server, "/bin/busybox", "df", "-k", "/mnt")).Split('\n')[^1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[^5];
        Assert.InRange(long.Parse(kibibytes, CultureInfo.InvariantCulture), gibibytes * 960_000L, gibibytes * 1_048_576L);
    }
}
