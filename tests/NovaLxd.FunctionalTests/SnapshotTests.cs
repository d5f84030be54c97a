using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Http;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests;

/// <summary>Images of servers, and backups.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class SnapshotTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;
    private Server _server = null!;

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit);
        _server = await _site.CreateActiveAsync();
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task AServerIsMadeFromTheImageOfAnother()
    {
        var init = Assert.Single(_site.Guests());
        await InGuestAsync(_server, "echo of the first > /root/own && echo changed > /etc/passwd && dd if=/dev/zero of=/root/large bs=1M count=3 && cat /bin/busybox > /root/copy");
        var image = Queue("copy");
        _site.Plane.Saves.Clear();

        Assert.Equal("Success", await SnapshotAsync(_server, image));

        Assert.Equal(
            ["image_snapshot<image_snapshot_pending", "image_snapshot<", "image_pending_upload<image_snapshot", "image_uploading<image_pending_upload", "<image_uploading"],
            _site.Plane.Saves.Where(s => s.Uuid == _server.Uuid).Select(s => $"{s.TaskState}<{s.ExpectedTaskState}"));
        _site.AssertAsRecorded(_server, "snapshot_instance");
        var described = _site.Plane.Cloud.Glance.Images[image];
        Assert.Equal(
            ("active", "raw", "bare", "snapshot", "available", ControlPlane.ProjectId, 1, "copy", "kept"),
            ((string?)described["status"], (string?)described["disk_format"], (string?)described["container_format"], (string?)described["image_location"],
                (string?)described["image_state"], (string?)described["owner_id"], (int?)described["min_disk"], (string?)described["name"], (string?)described["of_the_api"]));
        Assert.Contains("was frozen for", _site.Log(), StringComparison.Ordinal);
        Assert.Equal(init, Assert.Single(_site.Guests()));
        Assert.Equal("2", await InGuestAsync(_server, "echo $((1 + 1))"));

        var second = await _site.CreateActiveAsync(new ServerRequest { ImageId = image });
        Assert.Equal("of the first", await InGuestAsync(second, "cat /root/own"));
        Assert.Equal("changed", await InGuestAsync(second, "cat /etc/passwd"));
        Assert.Equal("0 0 755", await InGuestAsync(second, "busybox stat -c '%u %g %a' /bin/busybox"));
        await InGuestAsync(second, "busybox cmp /bin/busybox /root/copy");
        Assert.Equal("Success", await _site.DeleteAsync(_server));
        Assert.Equal("of the first", await InGuestAsync(second, "cat /root/own"));
        Assert.Equal("Success", await _site.DeleteAsync(second));
        AssertNothingKept();
    }

    [Theory]
    [InlineData("stop_instance", "powering-off", "stopped", ContainerState.Stopped)]
    [InlineData("pause_instance", "pausing", "paused", ContainerState.Frozen)]
    public async Task AServerThatStandsStillStaysSo(string method, string task, string vmState, ContainerState state)
    {
        await InGuestAsync(_server, "echo own > /root/own");
        Assert.Equal("Success", await _site.ActAsync(_server, method, task));
        var image = Queue("copy");

        Assert.Equal("Success", await SnapshotAsync(_server, image));

        await _site.StateAsync(_server, vmState);
        Assert.Equal(state, (await _site.Driver.FindAsync(Guid.Parse(_server.Uuid), default))!.State);
        var second = await _site.CreateActiveAsync(new ServerRequest { ImageId = image });
        Assert.Equal("own", await InGuestAsync(second, "cat /root/own"));
        AssertNothingKept();
    }

    [Fact]
    public async Task AGlanceThatFailsIsToldAndItsImageGoes()
    {
        var image = Queue("copy");
        _site.Plane.Cloud.Glance.Faults.Add(Fault.Answer(413, "PUT", "/file", times: 1));

        Assert.Equal("Error", await SnapshotAsync(_server, image));

        Assert.DoesNotContain(image, _site.Plane.Cloud.Glance.Images.Keys);
        Assert.Contains("413", _site.Fault(_server), StringComparison.Ordinal);
        await _site.StateAsync(_server, "active");
        Assert.Equal("2", await InGuestAsync(_server, "echo $((1 + 1))"));
        AssertNothingKept();
        Assert.Equal("Success", await SnapshotAsync(_server, Queue("another")));
    }

    [Fact]
    public async Task AnImageThatIsDeletedMeanwhileIsNoFailure()
    {
        var image = Queue("copy");
        _site.Plane.Cloud.Glance.Uploaded = id =>
        {
            _site.Plane.Cloud.Glance.RemoveImage(id);
            return Task.CompletedTask;
        };

        Assert.Equal("Success", await SnapshotAsync(_server, image));

        await _site.StateAsync(_server, "active");
        Assert.DoesNotContain(image, _site.Plane.Cloud.Glance.Images.Keys);
        AssertNothingKept();
    }

    [Fact]
    public async Task AServerCanBeDeletedMeanwhile()
    {
        var image = Queue("copy");
        var deleted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var uploaded = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _site.Plane.Cloud.Glance.Uploaded = _ =>
        {
            uploaded.SetResult();
            return deleted.Task;
        };
        var snapshot = await _site.SendAsync(_server, "snapshot_instance", "image_snapshot_pending", new JObject { ["image_id"] = image });
        await uploaded.Task.WaitAsync(TimeSpan.FromMinutes(5));

        Assert.Equal("Success", await _site.DeleteAsync(_server));

        Assert.Empty(_site.Guests());
        deleted.SetResult();
        Assert.Equal("Success", await _site.FinishedAsync(snapshot));
        AssertNothingKept();
        await _site.AssertGoneAsync(_server);
    }

    [Fact]
    public async Task ASnapshotThatSomebodyElseMovedOnIsLeftAlone()
    {
        var image = Queue("copy");
        _site.Plane.Cloud.Glance.Uploaded = _ =>
        {
            _site.Plane.Conductor.Locked(c => c.Instances[_server.Uuid]["task_state"] = null);
            return Task.CompletedTask;
        };

        Assert.Equal("Error", await SnapshotAsync(_server, image));

        await _site.StateAsync(_server, "active");
        Assert.Contains("image_uploading", _site.Fault(_server), StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheOldestBackupsGo()
    {
        var other = await BackupAsync("weekly", 1);
        var first = await BackupAsync("daily", 2);
        var second = await BackupAsync("daily", 2);
        Assert.Contains(first, _site.Plane.Cloud.Glance.Images.Keys);

        var third = await BackupAsync("daily", 2);

        var left = _site.Plane.Cloud.Glance.Images.Where(i => (string?)i.Value["image_type"] == "backup").Select(i => i.Key);
        Assert.Equal(new[] { other, second, third }.Order(StringComparer.Ordinal), left.Order(StringComparer.Ordinal));
        await _site.StateAsync(_server, "active");
    }

    [Fact]
    public async Task ABackupThatFailsLeavesTheOldOnes()
    {
        var first = await BackupAsync("daily", 1);
        _site.Plane.Cloud.Glance.Faults.Add(Fault.Answer(500, "PUT", "/file", times: 1));
        var image = Queue("backup", new JObject { ["image_type"] = "backup", ["backup_type"] = "daily", ["instance_uuid"] = _server.Uuid });

        Assert.Equal("Error", await _site.ActAsync(
            _server, "backup_instance", "image_backup", new JObject { ["image_id"] = image, ["backup_type"] = "daily", ["rotation"] = 1 }));

        var left = _site.Plane.Cloud.Glance.Images.Where(i => (string?)i.Value["image_type"] == "backup").Select(i => i.Key);
        Assert.Equal([first], left);
        await _site.StateAsync(_server, "active");
    }

    private string Queue(string name, JObject? properties = null)
    {
        properties ??= [];
        properties["of_the_api"] = "kept";
        return _site.Plane.Cloud.Glance.QueueImage(name, properties, ControlPlane.Project);
    }

    private Task<string> SnapshotAsync(Server server, string image) =>
        _site.ActAsync(server, "snapshot_instance", "image_snapshot_pending", new JObject { ["image_id"] = image });

    private async Task<string> BackupAsync(string type, int rotation)
    {
        var image = Queue("backup", new JObject { ["image_type"] = "backup", ["backup_type"] = type, ["instance_uuid"] = _server.Uuid });
        Assert.Equal("Success", await _site.ActAsync(
            _server, "backup_instance", "image_backup", new JObject { ["image_id"] = image, ["backup_type"] = type, ["rotation"] = rotation }));
        return image;
    }

    private Task<string> InGuestAsync(Server server, string line) => _site.ReadInGuestAsync(server, line);

    private void AssertNothingKept() => Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(_site.StateFolder, "instances", "captures")));
}
