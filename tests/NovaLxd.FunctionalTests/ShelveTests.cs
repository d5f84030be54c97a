using Microsoft.Extensions.DependencyInjection;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.Messaging;
using NovaLxd.Periodic;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.TestCloud.Http;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests;

/// <summary>Servers that are shelved, leave the host, and come back.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class ShelveTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;
    private Server _server = null!;

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    /// <summary>From 2023.1 on the ports leave the host as well.</summary>
    [Theory]
    [InlineData("zed", null)]
    [InlineData("2026.1", "")]
    public async Task AServerLeavesTheHostAtOnceAndComesBack(string release, string? bound)
    {
        await StartAsync(release == "zed" ? FakeRelease.Zed : FakeRelease.Gazpacho);
        await InGuestAsync("echo mine > /root/own");
        var port = (string)Assert.Single(_site.Ports(_server))["id"]!;
        var image = _site.QueueImage(_server);
        _site.Plane.Saves.Clear();

        Assert.Equal("Success", await _site.ShelveAsync(_server, image));

        Assert.Equal(
            [
                "active/shelving_image_pending_upload<shelving", "active/shelving_image_uploading<shelving_image_pending_upload",
                "shelved/shelving_offloading<shelving,shelving_image_uploading", "shelved_offloaded/<shelving,shelving_offloading", "shelved_offloaded/<",
            ],
            Saves());
        await _site.AssertOffloadedAsync(_server);
        _site.AssertAsRecorded(_server, "shelve_instance");
        Assert.Equal(bound ?? _site.Mark, (string?)_site.Ports(_server)[0]["binding:host_id"]);
        Assert.Equal("active", (string?)_site.Plane.Cloud.Glance.Images[image]["status"]);
        var metadata = (await _site.RowAsync(_server))["system_metadata"]!;
        Assert.Equal((image, _site.Mark), ((string?)metadata["shelved_image_id"], (string?)metadata["shelved_host"]));
        Assert.Matches("^....-..-..T..:..:..[.]......$", (string?)metadata["shelved_at"]);
        _site.Plane.Saves.Clear();

        Assert.Equal("Success", await _site.UnshelveAsync(_server, image));

        Assert.Equal(["shelved_offloaded/spawning<unshelving", "shelved_offloaded/spawning<", "active/<spawning"], Saves());
        _site.AssertAsRecorded(_server, "unshelve_instance");
        await AssertBackAsync(image, port);
        Assert.Contains(_server.Uuid, _site.Plane.Cloud.Placement.Consumers.Keys);
        Assert.Equal("Success", await _site.DeleteAsync(_server));
        await _site.AssertGoneAsync(_server);
    }

    [Fact]
    public async Task AServerThatStaysIsStartedAgain()
    {
        await StartAsync(settings: "shelved_offload_time = -1");
        await InGuestAsync("echo mine > /root/own");
        var port = (string)Assert.Single(_site.Ports(_server))["id"]!;
        var image = _site.QueueImage(_server);

        Assert.Equal("Success", await _site.ShelveAsync(_server, image));

        await _site.StateAsync(_server, "shelved");
        Assert.Equal(ContainerState.Stopped, (await _site.Driver.FindAsync(Guid.Parse(_server.Uuid), default))!.State);
        Assert.Contains(_server.Uuid, _site.Plane.Cloud.Placement.Consumers.Keys);
        await OffloadOldAsync();
        await _site.StateAsync(_server, "shelved");

        Assert.Equal("Success", await _site.ActAsync(_server, "start_instance", "powering-on"));

        await AssertBackAsync(image, port);
    }

    [Fact]
    public async Task AServerLeavesWhenItsTimeIsOver()
    {
        await StartAsync(settings: "shelved_offload_time = 1");
        await InGuestAsync("echo mine > /root/own");
        var image = _site.QueueImage(_server);
        Assert.Equal("Success", await _site.ShelveAsync(_server, image));

        await _site.UntilAsync("it is offloaded", async () =>
        {
            await OffloadOldAsync();
            return (string?)(await _site.RowAsync(_server))["vm_state"] == "shelved_offloaded";
        });

        await _site.AssertOffloadedAsync(_server);
        Assert.Equal("Success", await _site.UnshelveAsync(_server, image));
        Assert.Equal("mine", await InGuestAsync("cat /root/own"));
    }

    [Fact]
    public async Task AShelvedServerIsOffloadedOnRequestAndNotTwice()
    {
        await StartAsync(settings: "shelved_offload_time = -1");
        var image = _site.QueueImage(_server);
        Assert.Equal("Success", await _site.ShelveAsync(_server, image));

        Assert.Equal("Success", await _site.ActAsync(_server, "shelve_offload_instance", "shelving_offloading", Arguments()));
        await _site.AssertOffloadedAsync(_server);
        Assert.Equal("Success", await _site.UnshelveAsync(_server, image));
        await _site.StateAsync(_server, "active");

        Assert.Equal("Success", await _site.FinishedAsync(await _site.SendAsync(_server, "shelve_offload_instance", null, Arguments())));
        await _site.StateAsync(_server, "active");
        Assert.Single(_site.Guests());
        Assert.Contains(_server.Uuid, _site.Plane.Cloud.Placement.Consumers.Keys);

        static Newtonsoft.Json.Linq.JObject Arguments() => new() { ["clean_shutdown"] = true, ["accel_uuids"] = new Newtonsoft.Json.Linq.JArray() };
    }

    [Fact]
    public async Task AServerThatCannotBeShelvedRunsAgain()
    {
        await StartAsync();
        var image = _site.QueueImage(_server);
        _site.Plane.Cloud.Glance.Faults.Add(Fault.Answer(413, "PUT", "/file", times: 1));

        Assert.Equal("Error", await _site.ShelveAsync(_server, image));

        await _site.StateAsync(_server, "active");
        Assert.Contains("413", _site.Fault(_server), StringComparison.Ordinal);
        Assert.DoesNotContain(image, _site.Plane.Cloud.Glance.Images.Keys);
        Assert.Equal("2", await InGuestAsync("echo $((1 + 1))"));
        Assert.True(ComputeSite.TapExists((string)Assert.Single(_site.Ports(_server))["id"]!));
        Assert.Null((await _site.RowAsync(_server))["system_metadata"]!["shelved_image_id"]);
        Assert.Equal("Success", await _site.ShelveAsync(_server, _site.QueueImage(_server)));
        await _site.AssertOffloadedAsync(_server);
    }

    [Theory]
    [InlineData("GET", "/file")]
    [InlineData("PUT", "/v2.0/ports")]
    public async Task AServerThatCannotBeUnshelvedStaysShelved(string method, string path)
    {
        await StartAsync(FakeRelease.Gazpacho); // Whose ports have to be bound again.
        await InGuestAsync("echo mine > /root/own");
        var port = (string)Assert.Single(_site.Ports(_server))["id"]!;
        var image = _site.QueueImage(_server);
        Assert.Equal("Success", await _site.ShelveAsync(_server, image));
        var failing = path == "/file" ? (FakeService)_site.Plane.Cloud.Glance : _site.Plane.Cloud.Neutron;
        failing.Faults.Add(Fault.Answer(403, method, path, times: 1));

        // Its content is known here; on another host it would not be.
        await _site.UntilAsync("the image is forgotten", async () => (await _site.Driver.ListImagesAsync(default)).Count == 0 || await ForgetImagesAsync());
        Assert.Equal("Error", await _site.UnshelveAsync(_server, image));

        await _site.AssertOffloadedAsync(_server);
        Assert.Equal("active", (string?)_site.Plane.Cloud.Glance.Images[image]["status"]);
        Assert.Equal(image, (string?)(await _site.RowAsync(_server))["system_metadata"]!["shelved_image_id"]);
        Assert.NotEmpty(_site.Fault(_server));
        Assert.Equal("Success", await _site.UnshelveAsync(_server, image));
        await AssertBackAsync(image, port);
    }

    [Fact]
    public async Task ASecondRequestLeavesTheGuestOfTheFirstAlone()
    {
        await StartAsync();
        var image = _site.QueueImage(_server);
        Assert.Equal("Success", await _site.ShelveAsync(_server, image));
        var described = _site.Plane.Cloud.Glance.Images[image];
        Assert.Equal("Success", await _site.UnshelveAsync(_server, image));
        var init = Assert.Single(_site.Guests());

        Assert.Equal("Error", await _site.FinishedAsync(await _site.SendAsync(_server, "unshelve_instance", null, new() { ["image"] = described, ["node"] = _site.Node })));

        Assert.Equal(init, Assert.Single(_site.Guests()));
        await _site.StateAsync(_server, "active");
        Assert.Contains(_server.Uuid, _site.Plane.Cloud.Placement.Consumers.Keys);
    }

    private async Task StartAsync(FakeRelease? release = null, string? settings = null)
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, settings is null ? null : [settings], release);
        if (release == FakeRelease.Gazpacho)
        {
            _site.Plane.EventTopic = "compute-alt";
        }

        _server = await _site.CreateActiveAsync();
    }

    private Task OffloadOldAsync() => _site.Services.GetRequiredService<OffloadShelved>().RunAsync(RequestContext.CreateAdmin(), default);

    private async Task<bool> ForgetImagesAsync()
    {
        foreach (var image in await _site.Driver.ListImagesAsync(default))
        {
            await _site.Driver.DeleteImageAsync(image.Key, default);
        }

        return false;
    }

    private IEnumerable<string> Saves() =>
        _site.Plane.Saves.Where(s => s.Uuid == _server.Uuid).Select(s => $"{s.VmState}/{s.TaskState}<{s.ExpectedTaskState}");

    private async Task AssertBackAsync(string image, string port)
    {
        await _site.StateAsync(_server, "active");
        var row = await _site.RowAsync(_server);
        Assert.Equal((_site.Mark, _site.Node, 1), ((string?)row["host"], (string?)row["node"], (int?)row["power_state"]));
        Assert.DoesNotContain(((Newtonsoft.Json.Linq.JObject)row["system_metadata"]!).Properties(), p => p.Name.StartsWith("shelved", StringComparison.Ordinal));
        Assert.DoesNotContain(image, _site.Plane.Cloud.Glance.Images.Keys);
        Assert.Single(_site.Guests());
        Assert.Equal("mine", await InGuestAsync("cat /root/own"));
        Assert.Equal((port, _site.Mark), ((string?)Assert.Single(_site.Ports(_server))["id"], (string?)_site.Ports(_server)[0]["binding:host_id"]));
        Assert.True(ComputeSite.TapExists(port));
    }

    private Task<string> InGuestAsync(string line) => _site.ReadInGuestAsync(_server, line);
}
