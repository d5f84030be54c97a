using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.Tests.Fakes;

namespace NovaLxd.Tests.Conductor;

public sealed class ConductorClientTests
{
    private readonly TestPlane _plane = new();

    [Fact]
    public async Task ASaveSendsTheChangesAndTakesTheUpdatesOver()
    {
        _plane.Instance.VmState = VmState.Paused;
        _plane.Instance.TaskState = null;

        await _plane.Client.SaveAsync(_plane.Context, _plane.Instance, [TaskState.Pausing], default);

        Assert.Equal("paused", (string?)_plane.Row["vm_state"]);
        Assert.Equal(JTokenType.Null, _plane.Row["task_state"]!.Type);
        Assert.Empty(_plane.Instance.Changes);
        Assert.Equal(_plane.Time.GetUtcNow(), _plane.Instance.UpdatedAt);
        var sent = _plane.Transport.Sent[^1];
        Assert.Equal(("conductor", null, "3.0", "object_action"), (sent.Topic, sent.Namespace, sent.Version, sent.Method));
        Assert.Equal("{\"expected_task_state\":[\"pausing\"]}", sent.Args["kwargs"]!.ToString(Newtonsoft.Json.Formatting.None));
    }

    [Fact]
    public async Task ASaveIsRefusedWhenTheTaskStateIsAnother()
    {
        _plane.Row["task_state"] = "rebuilding";

        var fault = await Assert.ThrowsAsync<UnexpectedTaskStateException>(
            () => _plane.Client.SaveAsync(_plane.Context, _plane.Instance, [TaskState.Pausing, null], default));

        Assert.Equal("{\"task_state\":\"rebuilding\"}", fault.Actual!.ToString(Newtonsoft.Json.Formatting.None));
    }

    [Fact]
    public async Task ASaveDuringADeleteSaysSo()
    {
        _plane.Row["task_state"] = "deleting";

        await Assert.ThrowsAsync<UnexpectedDeletingTaskStateException>(
            () => _plane.Client.SaveAsync(_plane.Context, _plane.Instance, [TaskState.Pausing], default));
    }

    [Fact]
    public async Task NoExpectationIsNotTheSameAsExpectingNone()
    {
        await _plane.Client.SaveAsync(_plane.Context, _plane.Instance, default);
        await Assert.ThrowsAsync<UnexpectedTaskStateException>(() => _plane.Client.SaveAsync(_plane.Context, _plane.Instance, [null], default));
    }

    [Fact]
    public async Task AnInstanceThatIsGoneIsNotFound()
    {
        await _plane.Client.DestroyInstanceAsync(_plane.Context, _plane.Instance, default);

        await Assert.ThrowsAsync<InstanceNotFoundException>(() => _plane.Client.SaveAsync(_plane.Context, _plane.Instance, default));
        await Assert.ThrowsAsync<InstanceNotFoundException>(() => _plane.Client.GetInstanceAsync(_plane.Context, _plane.Instance.Uuid, null, default));
        Assert.True(_plane.Instance.Deleted);
    }

    [Fact]
    public async Task MissingAttributesAreLoadedAlsoOfADeletedInstanceAndAreNoChange()
    {
        var bare = await _plane.Client.GetInstanceAsync(_plane.Context, _plane.Instance.Uuid, [], default);
        Assert.False(bare.IsSet("flavor"));
        _plane.Row["deleted"] = true;

        await _plane.Client.LoadAttributesAsync(_plane.Context, bare, ["flavor", "system_metadata"], default);

        Assert.Equal(_plane.Instance.Flavor.Name, bare.Flavor.Name);
        Assert.Empty(bare.Changes);
    }

    [Fact]
    public async Task WhatNestedObjectsKeptAsChangedInTheDatabaseIsNoChange()
    {
        _plane.Row["flavor"]!["nova_object.changes"] = new JArray("name");

        var loaded = await _plane.Client.GetInstanceAsync(_plane.Context, _plane.Instance.Uuid, ["flavor"], default);

        Assert.Empty(loaded.Changes);
        Assert.Null(loaded.ToPrimitive()["nova_object.data"]!["flavor"]!["nova_object.changes"]);
    }

    [Fact]
    public async Task InterfacesAreSavedIntoTheCacheAndTheInstance()
    {
        await _plane.Client.SaveNetworkInfoAsync(_plane.Context, _plane.Instance, NetworkInfo.Empty, default);

        Assert.Equal("[]", (string?)_plane.Conductor.InfoCaches[_plane.Instance.Uuid]["network_info"]);
        Assert.Empty(_plane.Instance.NetworkInfo.Vifs);
        Assert.Empty(_plane.Instance.Changes);
    }

    [Fact]
    public async Task AServiceIsCreatedAsNovaComputeCreatesIt()
    {
        var service = NovaObject.Create<Service>();
        (service.Host, service.Binary, service.Topic, service.ReportCount, service.Version) = ("cmp1", "nova-compute", "compute", 0, 64);

        await _plane.Client.CreateAsync(_plane.Context, service, default);

        var primitive = (JObject)_plane.Transport.LastArgs["objinst"]!;
        Assert.Equal(["binary", "host", "report_count", "topic", "version"], primitive["nova_object.changes"]!.Select(c => (string)c!).Order());
        Assert.Equal(1, service.Id);
        Assert.False(service.Disabled);
        Assert.Equal(service.Uuid, (await _plane.Client.FindServiceAsync(_plane.Context, "cmp1", "nova-compute", default))!.Uuid);
        Assert.Null(await _plane.Client.FindServiceAsync(_plane.Context, "cmp2", "nova-compute", default));
    }

    [Fact]
    public async Task AServiceOlderThanTheControlPlaneAcceptsIsTooOld()
    {
        var plane = new TestPlane(FakeRelease.Gazpacho);
        var service = NovaObject.Create<Service>();
        (service.Host, service.Binary, service.Topic, service.ReportCount, service.Version) = ("cmp1", "nova-compute", "compute", 0, 64);

        await Assert.ThrowsAsync<ServiceTooOldException>(() => plane.Client.CreateAsync(plane.Context, service, default));
    }

    [Fact]
    public async Task SpeaksTheReleaseOfTheConductors()
    {
        var plane = new TestPlane(FakeRelease.Gazpacho, "2026.1");
        Assert.Equal("2.7", plane.Client.Manifest["Instance"]);

        Assert.Equal(72, await plane.Client.LearnReleaseAsync(plane.Context, default));

        Assert.Equal("2.8", plane.Client.Manifest["Instance"]);
        await plane.Client.GetInstanceAsync(plane.Context, plane.Instance.Uuid, null, default);
        Assert.Equal("2.8", (string?)plane.Transport.LastArgs["object_versions"]!["Instance"]);
    }

    [Fact]
    public async Task AnInstanceOf2026IsSavedInTheVersionItCameIn()
    {
        var plane = new TestPlane(FakeRelease.Gazpacho, "2026.1");
        Assert.Equal("2.8", plane.Instance.KindVersion);
        plane.Instance.PlaceOn("cmp1", "node1", 7);

        await plane.Client.SaveAsync(plane.Context, plane.Instance, default);

        Assert.Equal(7, (int?)plane.Row["compute_id"]);
    }

    [Fact]
    public async Task ObjectsNewerThanTheConductorsAreRefusedByThem()
    {
        var plane = new TestPlane(FakeRelease.Zed, "2026.1");

        await Assert.ThrowsAsync<IncompatibleObjectVersionException>(() => plane.Client.SaveAsync(plane.Context, plane.Instance, default));
    }

    [Fact]
    public async Task NoComputeNodeIsAnOutcomeOfItsOwn() =>
        await Assert.ThrowsAsync<ComputeHostNotFoundException>(() => _plane.Client.GetComputeNodeAsync(_plane.Context, "cmp1", "cmp1", default));

    [Fact]
    public async Task FailuresThatAreNobodysOutcomeKeepTheirClass()
    {
        _plane.Conductor.Interfere = (_, _) => throw new ConductorFailureException("oslo_db.exception", "DBError", "no database", []);

        var fault = await Assert.ThrowsAsync<RemoteFailureException>(() => _plane.Client.SaveAsync(_plane.Context, _plane.Instance, default));

        Assert.Equal("DBError", fault.Failure.Class);
    }

    [Fact]
    public async Task EventsBelongToTheActionOfTheRequest()
    {
        await _plane.Client.EventStartAsync(_plane.Context, _plane.Instance.Uuid, "compute_pause_instance", "cmp1", default);
        await _plane.Client.EventFinishAsync(_plane.Context, _plane.Instance.Uuid, "compute_pause_instance", "it failed", "where", default);

        var done = Assert.Single(_plane.Action.Events);
        Assert.Equal(("compute_pause_instance", "cmp1", "Error", "it failed"), (done.Name, done.Host, done.Result, done.Details));
        Assert.Equal("Error", _plane.Action.Message);
        await Assert.ThrowsAsync<InstanceActionNotFoundException>(() => _plane.Client.EventStartAsync(
            _plane.Context.With("request_id", "req-other"), _plane.Instance.Uuid, "compute_pause_instance", "cmp1", default));
    }

    [Fact]
    public async Task WaitsUntilAConductorAnswers()
    {
        var attempts = 0;
        _plane.Conductor.Interfere = (_, _) => ++attempts < 3 ? throw new RpcTimeoutException("nobody there") : Task.CompletedTask;
        var told = new List<Exception>();

        await _plane.Client.WaitUntilReadyAsync(told.Add, default);

        Assert.Equal((3, 2), (attempts, told.Count));
        Assert.Equal(("baseapi", "1.0", "ping"), (_plane.Transport.Sent[^1].Namespace, _plane.Transport.Sent[^1].Version, _plane.Transport.Sent[^1].Method));
    }

    [Fact]
    public async Task ADeviceIsCreatedSavedAndDestroyed()
    {
        var device = NovaObject.Create<BlockDeviceMapping>();
        (device.InstanceUuid, device.SourceType, device.DestinationType, device.VolumeId) = (_plane.Instance.Uuid, "volume", "volume", "v1");
        await _plane.Client.CreateAsync(_plane.Context, device, default);
        device.DeviceName = "/dev/vdb";
        await _plane.Client.SaveAsync(_plane.Context, device, default);

        Assert.Equal("/dev/vdb", (await _plane.Client.GetBlockDeviceAsync(_plane.Context, "v1", _plane.Instance.Uuid, default)).DeviceName);

        await _plane.Client.DestroyAsync(_plane.Context, device, default);
        Assert.Empty(await _plane.Client.GetBlockDevicesAsync(_plane.Context, _plane.Instance.Uuid, default));
        await Assert.ThrowsAsync<VolumeBdmNotFoundException>(() => _plane.Client.GetBlockDeviceAsync(_plane.Context, "v1", _plane.Instance.Uuid, default));
    }
}
