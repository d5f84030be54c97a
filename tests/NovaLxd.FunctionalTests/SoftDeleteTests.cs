using Microsoft.Extensions.DependencyInjection;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.Messaging;
using NovaLxd.Periodic;
using NovaLxd.TestCloud.Http;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests;

/// <summary>Deletes that can be taken back, as with <c>reclaim_instance_interval</c> set here and at the API.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class SoftDeleteTests(Broker broker) : IAsyncLifetime
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);
    private ComputeSite _site = null!;

    public async Task InitializeAsync() =>
        _site = await ComputeSite.StartAsync(broker.Rabbit, ["[DEFAULT]", $"reclaim_instance_interval = {Interval.TotalSeconds}"]);

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task ASoftDeletedServerIsOffAndComesBackAsItWas()
    {
        var server = await _site.CreateActiveAsync();
        Assert.Equal(0, await _site.InGuestAsync(server, "echo mine > /root/file"));

        Assert.Equal("Success", await SoftDeleteAsync(server));

        var row = await _site.RowAsync(server);
        Assert.Equal(("soft-delete", null, 4, false), ((string?)row["vm_state"], (string?)row["task_state"], (int?)row["power_state"], (bool?)row["deleted"]));
        Assert.Equal(ContainerState.Stopped, (await FindAsync(server))!.State);
        var port = Assert.Single(_site.Ports(server));
        Assert.True(_site.Plane.Cloud.Placement.Consumers.ContainsKey(server.Uuid));

        Assert.Equal("Success", await RestoreAsync(server));

        row = await _site.RowAsync(server);
        Assert.Equal(("active", null, 1), ((string?)row["vm_state"], (string?)row["task_state"], (int?)row["power_state"]));
        Assert.Equal(ContainerState.Running, (await FindAsync(server))!.State);
        Assert.True(ComputeSite.TapExists((string)port["id"]!));
        Assert.Equal(0, await _site.InGuestAsync(server, "grep -q mine /root/file"));
    }

    [Fact]
    public async Task APausedServerIsSoftDeletedAndRunsWhenItIsRestored()
    {
        var server = await _site.CreateActiveAsync();
        Assert.Equal("Success", await _site.ActAsync(server, "pause_instance", "pausing"));

        Assert.Equal("Success", await SoftDeleteAsync(server));
        Assert.Equal(ContainerState.Stopped, (await FindAsync(server))!.State);

        Assert.Equal("Success", await RestoreAsync(server));
        Assert.Equal(ContainerState.Running, (await FindAsync(server))!.State);
    }

    [Fact]
    public async Task OnlyTheServersWhoseTimeIsOverAreReclaimed()
    {
        var image = _site.AddImage();
        var (old, young, restored) = (await CreateAsync(image), await CreateAsync(image), await CreateAsync(image));
        Assert.Equal("Success", await SoftDeleteAsync(old, ago: Interval + TimeSpan.FromMinutes(1)));
        Assert.Equal("Success", await SoftDeleteAsync(young, ago: Interval - TimeSpan.FromMinutes(10)));
        Assert.Equal("Success", await SoftDeleteAsync(restored, ago: Interval + TimeSpan.FromMinutes(1)));
        Assert.Equal("Success", await RestoreAsync(restored));

        await ReclaimAsync();

        Assert.True((bool?)(await _site.RowAsync(old))["deleted"]);
        Assert.Null(await FindAsync(old));
        Assert.Empty(_site.Ports(old));
        Assert.False(_site.Plane.Cloud.Placement.Consumers.ContainsKey(old.Uuid));
        Assert.Equal("soft-delete", (string?)(await _site.RowAsync(young))["vm_state"]);
        Assert.NotNull(await FindAsync(young));
        Assert.Single(_site.Ports(young));
        Assert.Equal("active", (string?)(await _site.RowAsync(restored))["vm_state"]);
        Assert.Equal(ContainerState.Running, (await FindAsync(restored))!.State);
        Assert.Equal("Success", await RestoreAsync(young));
    }

    [Fact]
    public async Task AReclaimThatNeutronRefusesDoesNotKeepTheOthersAndIsRepeated()
    {
        var image = _site.AddImage();
        var servers = new[] { await CreateAsync(image), await CreateAsync(image) };
        foreach (var server in servers)
        {
            Assert.Equal("Success", await SoftDeleteAsync(server, ago: 2 * Interval));
        }

        _site.Plane.Cloud.Neutron.Faults.Add(Fault.Answer(500, "DELETE", $"/v2.0/ports/{_site.Ports(servers[0])[0]["id"]}"));
        await ReclaimAsync();
        Assert.Equal(("soft-delete", null), ((string?)(await _site.RowAsync(servers[0]))["vm_state"], (string?)(await _site.RowAsync(servers[0]))["task_state"]));
        Assert.True((bool?)(await _site.RowAsync(servers[1]))["deleted"]);

        _site.Plane.Cloud.Neutron.Faults.Clear();
        await ReclaimAsync();
        Assert.True((bool?)(await _site.RowAsync(servers[0]))["deleted"]);
        await _site.AssertGoneAsync(servers[0]);
    }

    [Fact]
    public async Task ASoftDeletedServerIsDeletedByForce()
    {
        var server = await _site.CreateActiveAsync();
        Assert.Equal("Success", await SoftDeleteAsync(server));

        Assert.Equal("Success", await _site.DeleteAsync(server));

        Assert.True((bool?)(await _site.RowAsync(server))["deleted"]);
        await _site.AssertGoneAsync(server);
    }

    [Fact]
    public async Task ARestoreThatFailsLeavesItsOwnerTheWholeTimeToTryAgain()
    {
        var server = await _site.CreateActiveAsync();
        Assert.Equal("Success", await SoftDeleteAsync(server, ago: Interval / 2));
        _site.Plane.Cloud.Neutron.Faults.Add(Fault.Answer(500, "GET", "/v2.0/ports"));

        Assert.Equal("Error", await RestoreAsync(server));

        var row = await _site.RowAsync(server);
        Assert.Equal(("soft-delete", null), ((string?)row["vm_state"], (string?)row["task_state"]));
        Assert.NotEmpty(_site.Fault(server));
        await ReclaimAsync();
        Assert.NotNull(await FindAsync(server));

        _site.Plane.Cloud.Neutron.Faults.Clear();
        Assert.Equal("Success", await RestoreAsync(server));
        Assert.Equal(ContainerState.Running, (await FindAsync(server))!.State);
    }

    /// <summary>Rows as a service leaves them that died in the middle of it.</summary>
    [Theory]
    [InlineData("active", "soft-deleting", "soft-delete", ContainerState.Stopped)]
    [InlineData("soft-delete", "restoring", "active", ContainerState.Running)]
    [InlineData("soft-delete", "deleting", "deleted", null)]
    public async Task WhatWasCutShortIsFinishedAtTheNextStart(string vmState, string taskState, string after, ContainerState? container)
    {
        var server = await _site.CreateActiveAsync();
        if (vmState == "soft-delete")
        {
            Assert.Equal("Success", await SoftDeleteAsync(server));
        }

        await _site.StopServiceAsync();
        _site.Plane.Conductor.Locked(c => c.Instances[server.Uuid]["task_state"] = taskState);
        await _site.StartServiceAsync();
        await _site.ServingAsync();

        await _site.StateAsync(server, after);
        Assert.Equal(container, (await FindAsync(server))?.State);
    }

    private Task<Server> CreateAsync(string image) => _site.CreateActiveAsync(new ServerRequest { ImageId = image });

    /// <summary>The API notes the time together with the task.</summary>
    private Task<string> SoftDeleteAsync(Server server, TimeSpan ago = default)
    {
        SetDeletedAt(server, TimeProvider.System.GetUtcNow() - ago);
        return _site.ActAsync(server, "soft_delete_instance", "soft-deleting");
    }

    private Task<string> RestoreAsync(Server server)
    {
        SetDeletedAt(server, null);
        return _site.ActAsync(server, "restore_instance", "restoring");
    }

    private void SetDeletedAt(Server server, DateTimeOffset? time) => _site.Plane.Conductor.Locked(c =>
        c.Instances[server.Uuid]["deleted_at"] = time?.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture));

    private Task ReclaimAsync() => _site.Services.GetRequiredService<ReclaimQueuedDeletes>().RunAsync(RequestContext.CreateAdmin(), CancellationToken.None);

    private Task<ContainerInfo?> FindAsync(Server server) => _site.Driver.FindAsync(Guid.Parse(server.Uuid), CancellationToken.None);
}
