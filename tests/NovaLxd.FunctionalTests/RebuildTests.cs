using System.Text;
using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Http;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests;

[Collection("site"), Trait("Lane", "functional")]
public sealed class RebuildTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;
    private Server _server = null!;

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit);
        _server = await _site.CreateActiveAsync();
        Assert.Equal(0, await _site.InGuestAsync(_server, "echo mine > /root/file"));
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    private string Image => (string)_site.Plane.Conductor.Locked(c => c.Instances[_server.Uuid]["image_ref"])!;

    /// <summary>The saves are those of a recorded rebuild of Nova's.</summary>
    [Fact]
    public async Task ARebuiltServerIsNewAndKeepsItsPortAndItsAllocation()
    {
        var (port, init) = (Assert.Single(_site.Ports(_server)), (await FindAsync())!.InitPid);
        var saved = _site.Plane.Saves.Count;
        _site.Plane.Conductor.Locked(c => c.Instances[_server.Uuid]["hostname"] = "renamed");

        Assert.Equal("Success", await _site.RebuildAsync(_server, Image, new JObject
        {
            ["injected_files"] = new JArray { new JArray("root/greeting", Convert.ToBase64String("hello"u8)) },
        }));

        await AssertStateAsync("active", 1, ContainerState.Running);
        Assert.NotEqual(init, (await FindAsync())!.InitPid);
        Assert.Equal(1, await _site.InGuestAsync(_server, "cat /root/file"));
        Assert.Equal(0, await _site.InGuestAsync(_server, "grep -q hello /root/greeting"));
        Assert.Equal(0, await _site.InGuestAsync(_server, "hostname | grep -q '^renamed$'"));
        var kept = Assert.Single(_site.Ports(_server));
        Assert.Equal((port["id"], port["mac_address"], port["fixed_ips"]!.ToString()), (kept["id"], kept["mac_address"], kept["fixed_ips"]!.ToString()));
        Assert.True(ComputeSite.TapExists((string)kept["id"]!));
        Assert.True(_site.Plane.Cloud.Placement.Consumers.ContainsKey(_server.Uuid));
        Assert.Equal(
            [
                ("active", "rebuilding", "rebuilding"), ("active", "rebuild_block_device_mapping", "rebuilding"),
                ("active", "rebuild_spawning", "rebuild_block_device_mapping"), ("active", null, "rebuild_spawning"),
            ],
            _site.Plane.Saves.Skip(saved).Where(s => s.Uuid == _server.Uuid).Select(s => (s.VmState, s.TaskState, s.ExpectedTaskState)));
    }

    [Fact]
    public async Task AnotherImageTakesThePlaceOfTheFirst()
    {
        var image = Marked();

        Assert.Equal("Success", await _site.RebuildAsync(_server, image));

        await AssertStateAsync("active", 1, ContainerState.Running);
        Assert.Equal(image, (string?)(await _site.RowAsync(_server))["image_ref"]);
        Assert.Equal(0, await _site.InGuestAsync(_server, "grep -q other /etc/marker"));
        Assert.Equal("Success", await _site.DeleteAsync(_server));
        await _site.AssertGoneAsync(_server);
    }

    [Fact]
    public async Task AStoppedServerStaysStoppedAndStartsAsTheNewOne()
    {
        Assert.Equal("Success", await _site.ActAsync(_server, "stop_instance", "powering-off", new JObject { ["clean_shutdown"] = true }));

        var request = await _site.SendRebuildAsync(_server, Marked());
        Assert.Equal("Success", await _site.RebuiltAsync(_server, request));

        await AssertStateAsync("stopped", 4, ContainerState.Stopped);
        Assert.Equal([("compute_rebuild_instance", "Success"), ("compute_stop_instance", "Success")], _site.Plane.Conductor.Locked(c =>
            c.Actions.Single(a => a.RequestId == request).Events.Select(e => (e.Name, e.Result)).ToList()));
        Assert.Equal("Success", await _site.ActAsync(_server, "start_instance", "powering-on"));
        Assert.Equal(0, await _site.InGuestAsync(_server, "grep -q other /etc/marker"));
        Assert.True(ComputeSite.TapExists((string)Assert.Single(_site.Ports(_server))["id"]!));
    }

    [Fact]
    public async Task AServerInErrorWhoseContainerIsLostIsMadeAgain()
    {
        await _site.Driver.DeleteAsync(Guid.Parse(_server.Uuid), CancellationToken.None);
        _site.Plane.Conductor.Locked(c => c.Instances[_server.Uuid]["vm_state"] = "error");

        Assert.Equal("Success", await _site.RebuildAsync(_server, Image));

        await AssertStateAsync("active", 1, ContainerState.Running);
    }

    /// <summary>What is asked for and cannot be, with a word that the fault has to have.</summary>
    [Theory]
    [InlineData("an image that is not there", "There is no image")]
    [InlineData("a deactivated image", "not active")]
    [InlineData("an image for larger disks", "GiB")]
    [InlineData("an image for another kind of machine", "hw_numa_nodes")]
    [InlineData("a corrupt image", "sha512")]
    [InlineData("an image Glance cannot read", "")]
    [InlineData("a file that is not Base64", "Base64")]
    [InlineData("ephemeral disks kept", "preserve_ephemeral")]
    [InlineData("a volume", "Volumes")]
    public async Task WhatCannotBeDoneLeavesTheGuestAlone(string what, string word)
    {
        var (old, init) = (Image, (await FindAsync())!.InitPid);
        var (image, more) = Impossible(what);

        Assert.Equal("Error", await _site.RebuildAsync(_server, image, more));

        Assert.Equal(init, (await FindAsync())!.InitPid);
        await AssertKeptAsync(old, word);
    }

    /// <summary>The last thing that can fail before the old root file system goes.</summary>
    [Fact]
    public async Task AGuestThatWasShutDownInVainRunsAgain()
    {
        var old = Image;
        _site.Plane.Cloud.Neutron.Faults.Add(Fault.Answer(500, "GET", "/v2.0/ports"));

        Assert.Equal("Error", await _site.RebuildAsync(_server, Marked()));

        await AssertKeptAsync(old, "");
        Assert.True(ComputeSite.TapExists((string)Assert.Single(_site.Ports(_server))["id"]!));
    }

    [Fact]
    public async Task AnImageThatDoesNotBootIsAnErrorThatAnotherRebuildMends()
    {
        var good = Image;
        var bad = _site.AddImage(BusyboxImage.Make(init: ""));

        Assert.Equal("Error", await _site.RebuildAsync(_server, bad));

        var row = await _site.RowAsync(_server);
        Assert.Equal(("error", null, bad), ((string?)row["vm_state"], (string?)row["task_state"], (string?)row["image_ref"]));
        Assert.Contains("init", _site.Fault(_server), StringComparison.Ordinal);
        Assert.Single(_site.Ports(_server));
        Assert.True(_site.Plane.Cloud.Placement.Consumers.ContainsKey(_server.Uuid));

        Assert.Equal("Success", await _site.RebuildAsync(_server, good));
        await AssertStateAsync("active", 1, ContainerState.Running);
    }

    [Fact]
    public async Task ADeleteInBetweenHasTheLastWord()
    {
        _site.Plane.Interfere = (name, args) =>
        {
            if (name == "Instance.save" && (string?)args["objinst"]!["nova_object.data"]!["task_state"] == "rebuild_block_device_mapping")
            {
                _site.Plane.Conductor.Locked(c => c.Instances[_server.Uuid]["task_state"] = "deleting");
            }

            return Task.CompletedTask;
        };

        Assert.Equal("Success", await _site.RebuildAsync(_server, Image));

        var row = await _site.RowAsync(_server);
        Assert.Equal(("active", "deleting"), ((string?)row["vm_state"], (string?)row["task_state"]));
        Assert.Equal(ContainerState.Stopped, (await FindAsync())!.State);
        Assert.Equal("Success", await _site.DeleteAsync(_server));
        await _site.AssertGoneAsync(_server);
    }

    /// <summary>Whether one has to wait for a port is what Neutron says, and not what the cache says.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ThePortIsWaitedForWhenNeutronSaysThatItIsDown(bool up)
    {
        var port = (string)Assert.Single(_site.Ports(_server))["id"]!;
        _site.Plane.Conductor.Locked(c =>
        {
            var known = JArray.Parse((string)c.InfoCaches[_server.Uuid]["network_info"]!);
            Assert.Single(known)["active"] = !up;
            return c.InfoCaches[_server.Uuid]["network_info"] = known.ToString();
        });
        _site.Plane.Cloud.Neutron.SetPortStatus(port, up ? "ACTIVE" : "DOWN");

        var request = await _site.SendRebuildAsync(_server, Image);
        if (!up)
        {
            await _site.UntilAsync("the new container has its port", async () =>
                (string?)(await _site.RowAsync(_server))["task_state"] == "rebuild_spawning" && ComputeSite.TapExists(port));
            Assert.Empty(_site.Guests());
            _site.Plane.Cloud.Neutron.SetPortStatus(port, "ACTIVE");
            await _site.Plane.SendEventAsync(_server.Uuid, "network-vif-plugged", port);
        }

        Assert.Equal("Success", await _site.RebuiltAsync(_server, request));
        await AssertStateAsync("active", 1, ContainerState.Running);
    }

    private (string Image, JObject More) Impossible(string what)
    {
        switch (what)
        {
            case "an image that is not there":
                return (Guid.NewGuid().ToString(), []);
            case "a deactivated image":
                var image = Marked();
                _site.Plane.Cloud.Glance.Faults.Add(new Fault("GET", $"/v2/images/{image}$")
                {
                    Status = 200,
                    Body = new JObject { ["id"] = image, ["status"] = "deactivated", ["min_ram"] = 0, ["min_disk"] = 0 }.ToString(),
                });
                return (image, []);
            case "an image for larger disks":
                return (_site.AddImage(properties: new JObject { ["min_disk"] = 20 }), []);
            case "an image for another kind of machine":
                return (_site.AddImage(properties: new JObject { ["hw_numa_nodes"] = "2" }), []);
            case "a corrupt image":
                var corrupt = Marked();
                _site.Plane.Cloud.Glance.Corrupt(corrupt);
                return (corrupt, []);
            case "an image Glance cannot read":
                var unreadable = Marked();
                _site.Plane.Cloud.Glance.Faults.Add(Fault.Answer(500, "GET", $"/v2/images/{unreadable}/file"));
                return (unreadable, []);
            case "a file that is not Base64":
                return (Image, new JObject { ["injected_files"] = new JArray { new JArray("/a", "?") } });
            case "ephemeral disks kept":
                return (Image, new JObject { ["preserve_ephemeral"] = true });
            default:
                var disks = (JObject)_server.Arguments["block_device_mapping"]!.DeepClone();
                disks["nova_object.data"]!["objects"]![0]!["nova_object.data"]!["destination_type"] = "volume";
                return (Image, new JObject { ["bdms"] = disks });
        }
    }

    /// <summary>An image unlike the first, so that it has to be downloaded.</summary>
    private string Marked() => _site.AddImage(BusyboxImage.Make(more: tar =>
        BusyboxImage.AddFile(tar, "etc/marker", Encoding.UTF8.GetBytes("other\n"), executable: false)));

    private async Task AssertKeptAsync(string image, string word)
    {
        await AssertStateAsync("active", 1, ContainerState.Running);
        var row = await _site.RowAsync(_server);
        Assert.Equal(image, (string?)row["image_ref"]);
        Assert.Equal(image, (string?)row["system_metadata"]!["image_base_image_ref"]);
        Assert.Equal(0, await _site.InGuestAsync(_server, "grep -q mine /root/file"));
        Assert.Contains(word, _site.Fault(_server), StringComparison.Ordinal);
        Assert.True(_site.Plane.Cloud.Placement.Consumers.ContainsKey(_server.Uuid));
    }

    private async Task AssertStateAsync(string vmState, int powerState, ContainerState container)
    {
        var row = await _site.RowAsync(_server);
        Assert.Equal((vmState, null, powerState), ((string?)row["vm_state"], (string?)row["task_state"], (int?)row["power_state"]));
        Assert.Equal(container, (await FindAsync())!.State);
    }

    private Task<ContainerInfo?> FindAsync() => _site.Driver.FindAsync(Guid.Parse(_server.Uuid), CancellationToken.None);
}
