using System.Globalization;
using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.Messaging;
using NovaLxd.Periodic;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests;

/// <summary>Another flavor for a server on the same host: the way there, kept or taken back.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class ResizeTests(Broker broker) : IAsyncLifetime
{
    private const long Gibibyte = 1L << 30;
    private ComputeSite _site = null!;
    private Server _server = null!;

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, ["resize_confirm_window = 1"]);
        _server = await _site.CreateActiveAsync();
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task AConfirmedServerIsLargerWithAllItsFiles()
    {
        await _site.RunInAsync(_server, "/bin/sh", "-c", "echo before > /root/file");
        var init = (await _site.ContainerAsync(_server)).InitPid;

        var migration = await _site.ResizeAsync(_server, Resizes.Flavor());

        // As in a cloud of virtual machines the guest was booted again, with the new limits.
        Assert.NotEqual(init, (await _site.ContainerAsync(_server)).InitPid);
        await AssertSizeAsync(2, 128, 2);
        Assert.Equal("finished", _site.Status(migration));
        Assert.Equal((128, 64), (_site.Allocated(_server.Uuid), _site.Allocated((string)migration["uuid"]!)));
        Assert.Equal((3, 192, 3), _site.Used());
        Assert.Equal("before", await _site.RunInAsync(_server, "/bin/cat", "/root/file"));
        Assert.True(ComputeSite.TapExists((string)Assert.Single(_site.Ports(_server))["id"]!));

        await _site.ConfirmAsync(_server, migration);

        await AssertStateAsync("active", 1);
        await AssertSizeAsync(2, 128, 2);
        Assert.Equal("confirmed", _site.Status(migration));
        Assert.Equal((128, null), (_site.Allocated(_server.Uuid), _site.Allocated((string)migration["uuid"]!)));
        Assert.Equal((2, 128, 2), _site.Used());
        await AssertForgottenAsync("resized");
        Assert.Equal(["compute_prep_resize", "compute_resize_instance", "compute_finish_resize", "compute_confirm_resize"], Events());
    }

    [Fact]
    public async Task ARevertedServerIsWhatItWasAndKeepsItsFiles()
    {
        var migration = await _site.ResizeAsync(_server, Resizes.Flavor());
        await _site.RunInAsync(_server, "/bin/sh", "-c", "echo since > /root/file");

        await _site.RevertAsync(_server, migration);

        await AssertStateAsync("active", 1);
        await AssertSizeAsync(1, 64, 1);
        Assert.Equal("since", await _site.RunInAsync(_server, "/bin/cat", "/root/file"));
        Assert.Equal("reverted", _site.Status(migration));
        Assert.Equal((64, null), (_site.Allocated(_server.Uuid), _site.Allocated((string)migration["uuid"]!)));
        Assert.Equal((1, 64, 1), _site.Used());
        await AssertForgottenAsync("m1.nano");
        Assert.Equal(["compute_prep_resize", "compute_resize_instance", "compute_finish_resize", "compute_revert_resize", "compute_finish_revert_resize"], Events());

        // And can go that way again.
        await _site.ConfirmAsync(_server, await _site.ResizeAsync(_server, Resizes.Flavor()));
        await AssertSizeAsync(2, 128, 2);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AStoppedServerStaysStopped(bool confirmed)
    {
        await _site.ActAsync(_server, "stop_instance", "powering-off", new JObject { ["clean_shutdown"] = true });

        var migration = await _site.ResizeAsync(_server, Resizes.Flavor());
        Assert.Equal(ContainerState.Stopped, (await _site.ContainerAsync(_server)).State);
        await (confirmed ? _site.ConfirmAsync(_server, migration) : _site.RevertAsync(_server, migration, "stopped"));

        await AssertStateAsync("stopped", 4);
        Assert.Empty(_site.Guests());
        Assert.Equal("Success", await _site.ActAsync(_server, "start_instance", "powering-on"));
        await (confirmed ? AssertSizeAsync(2, 128, 2) : AssertSizeAsync(1, 64, 1));
    }

    /// <summary>Processors and memory may become fewer; only disks cannot.</summary>
    [Fact]
    public async Task AServerCanBecomeSmallerButForItsDisk()
    {
        await _site.ConfirmAsync(_server, await _site.ResizeAsync(_server, Resizes.Flavor(vcpus: 1, memoryMb: 32, rootGb: 1)));

        await AssertSizeAsync(1, 32, 1);
    }

    [Theory]
    [InlineData(3, 2, "unable to resize disk down")]
    [InlineData(0, 2, "without a limit")]
    public async Task ADiskThatCannotBeIsRefusedWhileTheGuestGoesOn(int had, int wanted, string word)
    {
        var server = await _site.CreateActiveAsync(new ServerRequest { ImageId = _site.AddImage(), RootGb = had });
        var init = (await _site.ContainerAsync(server)).InitPid;

        var migration = await _site.RequestResizeAsync(server, Resizes.Flavor(rootGb: wanted));

        await _site.UntilAsync("the refusal is recorded", () => Task.FromResult(_site.Fault(server).Contains(word, StringComparison.OrdinalIgnoreCase)), () => _site.Fault(server));
        await _site.StateAsync(server, "active");
        await _site.QuietAsync(server);
        Assert.Equal(init, (await _site.ContainerAsync(server)).InitPid);
        Assert.Equal("error", _site.Status(migration));
        Assert.Equal((64, null), (_site.Allocated(server.Uuid), _site.Allocated((string)migration["uuid"]!)));
        Assert.Equal((2, 128, 1 + had), _site.Used());
    }

    /// <summary>A migration is no resize to the same flavor; Nova refuses it on the host where the server is.</summary>
    [Fact]
    public async Task AMigrationToThisHostIsRefused()
    {
        var row = await _site.RowAsync(_server);

        var migration = await _site.RequestResizeAsync(_server, (JObject)row["flavor"]!.DeepClone());

        await _site.UntilAsync("the refusal is recorded", () => Task.FromResult(_site.Fault(_server).Contains("it is there already", StringComparison.Ordinal)));
        await _site.StateAsync(_server, "active");
        await _site.QuietAsync(_server);
        Assert.Equal("error", _site.Status(migration));
        Assert.Equal((64, null), (_site.Allocated(_server.Uuid), _site.Allocated((string)migration["uuid"]!)));
    }

    /// <summary>Files are not lost to a disk that becomes smaller: the owner is told, and may delete some and try again, or keep the flavor.</summary>
    [Fact]
    public async Task ARevertThatFilesHaveOutgrownIsRefusedAndCanBeRepeated()
    {
        var migration = await _site.ResizeAsync(_server, Resizes.Flavor());
        var init = (await _site.ContainerAsync(_server)).InitPid;
        var file = Path.Combine(_site.StateFolder, "instances", "containers", _server.Uuid, "disk", "upper", "large");
        await Command.RunAsync("fallocate", "-l", $"{Gibibyte + (200 << 20)}", file);
        await Command.RunAsync("sync", "-f", file);

        await _site.FinishedAsync(await _site.RequestRevertAsync(_server, migration));

        await _site.StateAsync(_server, "resized");
        Assert.Contains("do not fit into the 1 GiB", _site.Fault(_server), StringComparison.Ordinal);
        Assert.Equal("finished", _site.Status(migration));
        Assert.Equal(init, (await _site.ContainerAsync(_server)).InitPid);
        await AssertSizeAsync(2, 128, 2);

        File.Delete(file);
        await Command.RunAsync("sync", "-f", Path.GetDirectoryName(file)!);
        await _site.RevertAsync(_server, migration);
        await AssertSizeAsync(1, 64, 1);
    }

    /// <summary>The API confirms before it has the server deleted.</summary>
    [Fact]
    public async Task AServerThatWaitsToBeConfirmedIsDeletedWithoutTrace()
    {
        var migration = await _site.ResizeAsync(_server, Resizes.Flavor());
        _site.Plane.Conductor.AddAction(_server.Uuid, "delete", "req-delete");
        _site.Plane.Conductor.Locked(c => c.Instances[_server.Uuid]["task_state"] = "deleting");
        var arguments = new JObject { ["instance"] = await _site.Plane.GetInstanceAsync(_server.Uuid), ["migration"] = Migration(migration) };
        await _site.Plane.Api.CallAsync(new RpcTarget("compute", _site.Mark, null, "6.0"), _site.Plane.NewContext("req-delete"), "confirm_resize", arguments);

        Assert.Equal("Success", await _site.DeleteAsync(_server));

        await _site.AssertGoneAsync(_server);
        Assert.Equal("confirmed", _site.Status(migration));
        Assert.Null(_site.Allocated((string)migration["uuid"]!));
        Assert.Equal((0, 0, 0), _site.Used());
    }

    [Fact]
    public async Task AResizeThatNobodyConfirmsIsConfirmed()
    {
        var migration = await _site.ResizeAsync(_server, Resizes.Flavor());

        await ((ConfirmOldResizes)_site.Services.GetService(typeof(ConfirmOldResizes))!).RunAsync(RequestContext.CreateAdmin(), CancellationToken.None);

        await _site.StateAsync(_server, "active");
        await _site.QuietAsync(_server);
        Assert.Equal("confirmed", _site.Status(migration));
        Assert.Equal("confirmResize", _site.Plane.Conductor.Locked(c => c.Actions[^1].Action));
    }

    /// <summary>A message that comes twice must not touch what has become of the server since.</summary>
    [Fact]
    public async Task AStepThatComesTwiceChangesNothing()
    {
        var migration = await _site.ResizeAsync(_server, Resizes.Flavor());
        var init = (await _site.ContainerAsync(_server)).InitPid;

        foreach (var method in new[] { "resize_instance", "finish_resize", "finish_revert_resize" })
        {
            var arguments = (JObject)Resizes.Recording["prep_resize"]!.DeepClone();
            arguments["migration"] = Migration(migration);
            arguments["migration"]!["nova_object.data"]!["dest_compute"] = _site.Mark;
            Assert.Equal("Success", await _site.ActAsync(_server, method, null, arguments));
        }

        await AssertStateAsync("resized", 1);
        Assert.Equal("finished", _site.Status(migration));
        Assert.Equal(init, (await _site.ContainerAsync(_server)).InitPid);
        Assert.Equal((128, 64), (_site.Allocated(_server.Uuid), _site.Allocated((string)migration["uuid"]!)));
        await _site.ConfirmAsync(_server, migration);
    }

    private static JObject Migration(JObject row) => new()
    {
        ["nova_object.name"] = "Migration",
        ["nova_object.namespace"] = "nova",
        ["nova_object.version"] = "1.7",
        ["nova_object.data"] = row.DeepClone(),
    };

    private List<string> Events() =>
        _site.Plane.Conductor.Locked(c => c.Actions.Where(a => a.InstanceUuid == _server.Uuid && a.RequestId != _server.RequestId).SelectMany(a => a.Events).Select(e => e.Name).ToList());

    private async Task AssertStateAsync(string vmState, int powerState)
    {
        var row = await _site.RowAsync(_server);
        Assert.Equal((vmState, null, powerState), ((string?)row["vm_state"], (string?)row["task_state"], (int?)row["power_state"]));
    }

    /// <summary>By the container, its cgroup, what the guest sees of its disk, and the row.</summary>
    private async Task AssertSizeAsync(int vcpus, int memoryMb, int rootGb)
    {
        var container = await _site.ContainerAsync(_server);
        Assert.Equal((vcpus, (long)memoryMb << 20, rootGb * Gibibyte), (container.Spec.Limits.Cpus, container.Spec.Limits.MemoryBytes, container.Spec.RootDiskBytes));
        if (container.State == ContainerState.Running)
        {
            Assert.Equal((long)memoryMb << 20, (await _site.Driver.GetUsageAsync(container.Id, CancellationToken.None)).MemoryLimitBytes);
            var kilobytes = long.Parse((await _site.RunInAsync(_server, "/bin/busybox", "df", "-k", "/")).Split('\n')[^1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
            Assert.InRange(kilobytes << 10, rootGb * Gibibyte * 9 / 10, rootGb * Gibibyte);
        }

        var row = await _site.RowAsync(_server);
        Assert.Equal((vcpus, memoryMb, rootGb), ((int)row["vcpus"]!, (int)row["memory_mb"]!, (int)row["root_gb"]!));
    }

    private async Task AssertForgottenAsync(string flavor)
    {
        var row = _site.Plane.Conductor.Locked(c => (JObject)c.Instances[_server.Uuid].DeepClone());
        Assert.Equal(flavor, (string?)row["flavor"]!["nova_object.data"]!["name"]);
        Assert.Equal(JTokenType.Null, row["old_flavor"]!.Type);
        Assert.Equal(JTokenType.Null, row["new_flavor"]!.Type);
        Assert.Equal(JTokenType.Null, row["migration_context"]!.Type);
        Assert.Null((await _site.RowAsync(_server))["system_metadata"]!["old_vm_state"]);
    }
}
