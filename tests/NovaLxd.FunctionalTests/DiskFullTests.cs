using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.Messaging;
using NovaLxd.Periodic;

namespace NovaLxd.FunctionalTests;

/// <summary>The file system of images and root disks has no room left.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class DiskFullTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;

    private string Instances => Path.Combine(_site.StateFolder, "instances");

    private string Filler => Path.Combine(Instances, "filler");

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, run: false);
        var disk = Path.Combine(_site.Folder, "disk");
        Directory.CreateDirectory(Instances);
        await Command.RunAsync("truncate", "-s", "4G", disk);
        await Command.RunAsync("mkfs.ext4", "-q", "-m", "0", disk);
        await Command.RunAsync("mount", "-o", "loop", disk, Instances);
        await _site.StartServiceAsync();
        await _site.ServingAsync();
    }

    public async Task DisposeAsync()
    {
        File.Delete(Filler);
        foreach (var container in await _site.Driver.ListAsync(default))
        {
            await _site.Driver.DeleteAsync(container.Id, default);
        }

        await _site.StopServiceAsync();
        // The kernel lets go of the guests' disks, which are on it, behind our back.
        await _site.UntilAsync("nobody uses the disk", () => Command.SucceedsAsync("umount", Instances));
        await _site.DisposeAsync();
    }

    [Fact]
    public async Task AFullImageCacheSendsTheBuildToAnotherHostAndKeepsNothing()
    {
        await FillAsync(keep: 1 << 20);
        var image = _site.AddImage();
        var free = Free();

        var server = await _site.CreateAsync(new ServerRequest { ImageId = image, MayReschedule = true });
        await _site.FinishedAsync(server.RequestId);

        await _site.UntilAsync("the conductor has the build back", () => Task.FromResult(!_site.Plane.Reschedules.IsEmpty));
        Assert.Contains("no space left", _site.Fault(server), StringComparison.OrdinalIgnoreCase);
        await _site.AssertGoneAsync(server);
        await _site.UntilAsync( // Folders keep blocks that they once had.
            $"there are the {free} bytes again", () => Task.FromResult(Free() >= free - (64 << 10)), () => $"There are {Free()}.");

        File.Delete(Filler);
        var next = await _site.CreateActiveAsync(new ServerRequest { ImageId = image });
        Assert.Equal("Success", await _site.DeleteAsync(next));
    }

    /// <summary>Deleting is how room is made: it must not need any.</summary>
    [Fact]
    public async Task AServerIsDeletedFromAFullDisk()
    {
        var server = await _site.CreateActiveAsync();
        await FillAsync(keep: 0);

        Assert.Equal("Success", await _site.DeleteAsync(server));

        await _site.AssertGoneAsync(server);
    }

    [Fact]
    public async Task AStopOnAFullDiskTellsTheTruthAndCanBeRepeated()
    {
        var server = await _site.CreateActiveAsync();
        await FillAsync(keep: 0);
        var hard = new JObject { ["clean_shutdown"] = false };

        if (await _site.ActAsync(server, "stop_instance", "powering-off", hard) == "Error")
        {
            Assert.Contains("full", _site.Fault(server), StringComparison.Ordinal);
        }

        Assert.Empty(_site.Guests());
        File.Delete(Filler);
        Assert.Equal("Success", await _site.ActAsync(server, "stop_instance", "powering-off", hard));
        await _site.StateAsync(server, "stopped");
        Assert.DoesNotContain(_site.Plane.PortsSeen, ComputeSite.TapExists);
        Assert.Equal("Success", await _site.ActAsync(server, "start_instance", "powering-on"));
        Assert.Single(_site.Guests());
    }

    [Fact]
    public async Task AGuestThatEndsOnAFullDiskIsStoppedOnceThereIsRoom()
    {
        var server = await _site.CreateActiveAsync();
        await FillAsync(keep: 0);
        await Command.RunAsync("kill", "-KILL", Assert.Single(_site.Guests()).ToString(System.Globalization.CultureInfo.InvariantCulture));
        await _site.UntilAsync("the end is noticed", () => Task.FromResult(
            _site.Log().Contains("The guest stopped by itself", StringComparison.Ordinal)));
        await _site.UntilAsync("nobody works on it", async () => (string?)(await _site.RowAsync(server))["task_state"] is null);

        File.Delete(Filler);
        await _site.UntilAsync("it is stopped", async () =>
        {
            await _site.Services.GetRequiredService<SyncPowerStates>().RunAsync(RequestContext.CreateAdmin(), default);
            return (string?)(await _site.RowAsync(server))["vm_state"] == "stopped";
        });

        Assert.DoesNotContain(_site.Plane.PortsSeen, ComputeSite.TapExists);
        Assert.Equal("Success", await _site.DeleteAsync(server));
        await _site.AssertGoneAsync(server);
    }

    [Fact]
    public async Task ASnapshotOnAFullDiskSaysSoAndHarmsNobody()
    {
        var server = await _site.CreateActiveAsync();
        var image = _site.Plane.Cloud.Glance.QueueImage("copy", project: ControlPlane.Project);
        await FillAsync(keep: 0);

        Assert.Equal("Error", await _site.ActAsync(server, "snapshot_instance", "image_snapshot_pending", new JObject { ["image_id"] = image }));

        Assert.Contains("No space left", _site.Fault(server), StringComparison.Ordinal);
        Assert.DoesNotContain(image, _site.Plane.Cloud.Glance.Images.Keys);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(Instances, "captures")));
        await _site.StateAsync(server, "active");
        Assert.Single(_site.Guests());
    }

    /// <summary>Fills the file system but for so many bytes.</summary>
    private async Task FillAsync(long keep)
    {
        await Command.RunAsync("fallocate", "-l", $"{Free() - Math.Max(keep, 1 << 20)}", Filler);
        if (keep > 0)
        {
            return;
        }

        // The rest block by block to the very end; dd fails when it is there. What was deleted a moment ago may become free only when it is written out.
        await _site.UntilAsync(
            "the disk is full",
            async () =>
            {
                await Command.RunAsync("sh", "-c", $"dd if=/dev/zero bs=4k >> {Filler} 2>/dev/null; sync -f {Filler}");
                return Free() < 4096;
            },
            () => $"There are {Free()} bytes left.");
    }

    private long Free() => new DriveInfo(Instances).AvailableFreeSpace;
}
