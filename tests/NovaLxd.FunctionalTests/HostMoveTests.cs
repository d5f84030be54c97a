using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.TestCloud.Http;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests;

/// <summary>Servers between two hosts: two whole services with a channel between them, and real containers.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class HostMoveTests(Broker broker) : IAsyncLifetime
{
    private const string Away = "the database is away";
    private Moves _moves = null!;
    private Server _server = null!;

    private ComputeSite Source => _moves.Source;

    private ComputeSite Target => _moves.Target;

    public async Task InitializeAsync()
    {
        _moves = await Moves.StartAsync(broker);
        _server = await Source.CreateActiveAsync();
        await Source.RunInAsync(_server, "/bin/sh", "-c", "echo kept > /root/file");
    }

    public Task DisposeAsync() => _moves.DisposeAsync().AsTask();

    [Fact]
    public async Task AMigratedServerIsOnTheOtherHostWithItsFiles()
    {
        var migration = await _moves.MoveAsync(_server);

        var row = await Target.RowAsync(_server);
        Assert.Equal((Target.Mark, Target.Node), ((string?)row["host"], (string?)row["node"]));
        Assert.Equal("kept", await Target.RunInAsync(_server, "/bin/cat", "/root/file"));
        Assert.Equal("finished", Source.Status(migration));
        Assert.Equal(Target.Mark, (string?)Assert.Single(Source.Ports(_server))["binding:host_id"]);
        Assert.Equal(ContainerState.Stopped, (await Source.ContainerAsync(_server)).State);
        Assert.Equal((null, 64), _moves.Allocated(_server.Uuid));
        Assert.Equal((64, null), _moves.Allocated((string)migration["uuid"]!));
        Assert.True(ComputeSite.TapExists((string)Source.Ports(_server)[0]["id"]!));

        await Source.ConfirmAsync(_server, migration);

        await Source.StateAsync(_server, "active");
        Assert.False(Moves.HasContainer(Source, _server));
        Assert.Equal("kept", await Target.RunInAsync(_server, "/bin/cat", "/root/file"));
        Assert.Equal("confirmed", Source.Status(migration));
        Assert.Equal((null, null), _moves.Allocated((string)migration["uuid"]!));
        Assert.Equal("Success", await Target.DeleteAsync(_server));
        await Target.AssertGoneAsync(_server);
    }

    [Fact]
    public async Task ARevertedResizeGoesBackToWhatItLeft()
    {
        var migration = await _moves.MoveAsync(_server, Resizes.Flavor());
        var moved = await Target.ContainerAsync(_server);
        Assert.Equal((ContainerState.Running, 128L << 20, 2L << 30), (moved.State, moved.Spec.Limits.MemoryBytes, moved.Spec.RootDiskBytes));

        await Target.RevertAsync(_server, migration);

        var back = await Source.ContainerAsync(_server);
        Assert.Equal((ContainerState.Running, 64L << 20, 1L << 30), (back.State, back.Spec.Limits.MemoryBytes, back.Spec.RootDiskBytes));
        Assert.False(Moves.HasContainer(Target, _server));
        await AssertOnSourceAsync();
        Assert.Equal((64, null), _moves.Allocated(_server.Uuid));
        Assert.Equal((null, null), _moves.Allocated((string)migration["uuid"]!));
        Assert.Equal("reverted", Source.Status(migration));
    }

    [Fact]
    public async Task AServerDeletedBeforeItsConfirmationLeavesNothingOnEitherHost()
    {
        var migration = await _moves.MoveAsync(_server);

        // The API has a move confirmed before it deletes the server.
        await Source.ConfirmAsync(_server, migration);
        Assert.Equal("Success", await Target.DeleteAsync(_server));

        await Target.AssertGoneAsync(_server);
        await Source.AssertGoneAsync(_server);
    }

    /// <summary>What comes last on the source before the destination is asked.</summary>
    [Theory]
    [InlineData("migrating")]
    [InlineData("post-migrating")]
    public async Task WhatFailsOnTheSourceLeavesTheServerThere(string status)
    {
        FailOnce((name, args) => name == "Migration.save" && (string?)Data(args)["status"] == status);

        var migration = await _moves.RequestAsync(_server, Resizes.Flavor());

        await FailedAsync(migration, Away);
    }

    [Theory]
    [InlineData("resize_finish")]
    [InlineData("finished")]
    public async Task WhatFailsOnTheDestinationIsHandedBack(string at)
    {
        FailOnce((name, args) => (name == "Instance.save" && (string?)Data(args)["task_state"] == at) || (name == "Migration.save" && (string?)Data(args)["status"] == at));

        var migration = await _moves.RequestAsync(_server, Resizes.Flavor());

        await FailedAsync(migration, Away);
        Assert.Contains("goes back to " + Source.Mark, Source.Fault(_server), StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatFailsInThePreparationTouchesNothing()
    {
        var init = (await Source.ContainerAsync(_server)).InitPid;
        FailOnce((name, args) => name == "Migration.save" && (string?)Data(args)["status"] == "pre-migrating");

        var migration = await _moves.RequestAsync(_server, Resizes.Flavor());

        await FailedAsync(migration, Away);
        Assert.Equal(init, (await Source.ContainerAsync(_server)).InitPid);
    }

    /// <summary>Found on the destination by whoever looks after it.</summary>
    [Fact]
    public async Task ADestinationThatWasAwayForTheRevertIsCleanedLater()
    {
        var migration = await _moves.MoveAsync(_server);
        await Target.Driver.StopAsync(Guid.Parse(_server.Uuid), TimeSpan.Zero, CancellationToken.None);
        Source.Plane.Conductor.Locked(c =>
        {
            var row = c.Instances[_server.Uuid];
            (row["host"], row["node"], row["vm_state"], row["task_state"]) = (Source.Mark, Source.Node, "active", null);
            c.Migrations.Single(m => (string?)m["uuid"] == (string?)migration["uuid"])["status"] = "error";
            return 0;
        });

        await Clean(Source).RunAsync(Messaging.RequestContext.CreateAdmin(), CancellationToken.None);
        await Clean(Target).RunAsync(Messaging.RequestContext.CreateAdmin(), CancellationToken.None);

        Assert.True(Moves.HasContainer(Source, _server));
        Assert.False(Moves.HasContainer(Target, _server));
    }

    [Fact]
    public async Task AnImageThatGlanceHasNoLongerComesFromTheSource()
    {
        Source.Plane.Cloud.Glance.Faults.Add(Fault.Answer(404, "GET", "/v2/images"));

        await _moves.MoveAsync(_server);

        Assert.Equal("kept", await Target.RunInAsync(_server, "/bin/cat", "/root/file"));
        Assert.NotEmpty(await Target.Driver.ListImagesAsync(CancellationToken.None));
    }

    private static Periodic.CleanMovedContainers Clean(ComputeSite site) =>
        (Periodic.CleanMovedContainers)site.Services.GetService(typeof(Periodic.CleanMovedContainers))!;

    private static JToken Data(JObject args) => args["objinst"]!["nova_object.data"]!;

    private void FailOnce(Func<string, JObject, bool> which)
    {
        var failed = 0;
        Source.Plane.Interfere = (name, args) => which(name, args) && Interlocked.Exchange(ref failed, 1) == 0
            ? throw ConductorFailureException.Nova("NovaException", Away)
            : Task.CompletedTask;
    }

    /// <summary>The server runs on its host as before, and its owner finds the reason.</summary>
    private async Task FailedAsync(JObject migration, string reason)
    {
        await Source.UntilAsync("the migration is an error", () => Task.FromResult(Source.Status(migration) == "error"));
        await Source.StateAsync(_server, "active");
        await Source.QuietAsync(_server);
        Assert.Contains(reason, Source.Fault(_server), StringComparison.Ordinal);
        await Source.UntilAsync("the guest runs", async () => (await Source.ContainerAsync(_server)).State == ContainerState.Running);
        Assert.Equal("kept", await Source.RunInAsync(_server, "/bin/cat", "/root/file"));
        await AssertOnSourceAsync();
        await Target.UntilAsync("nothing is left on the destination", () => Task.FromResult(!Moves.HasContainer(Target, _server)));
        Assert.Equal((64, null), _moves.Allocated(_server.Uuid));
        Assert.Equal((null, null), _moves.Allocated((string)migration["uuid"]!));
    }

    private async Task AssertOnSourceAsync()
    {
        var row = await Source.RowAsync(_server);
        Assert.Equal((Source.Mark, Source.Node, 64), ((string?)row["host"], (string?)row["node"], (int?)row["memory_mb"]));
        Assert.Equal(Source.Mark, (string?)Assert.Single(Source.Ports(_server))["binding:host_id"]);
    }
}

/// <summary>The second host has no certificates.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class ClosedHostMoveTests(Broker broker) : IAsyncLifetime
{
    private Moves _moves = null!;

    public async Task InitializeAsync() => _moves = await Moves.StartAsync(broker, open: false);

    public Task DisposeAsync() => _moves.DisposeAsync().AsTask();

    [Fact]
    public async Task TheOperatorIsToldWhatToConfigureAndTheServerIsLeftAlone()
    {
        var server = await _moves.Source.CreateActiveAsync();
        var init = (await _moves.Source.ContainerAsync(server)).InitPid;

        var migration = await _moves.RequestAsync(server);

        await _moves.Source.UntilAsync("the migration is an error", () => Task.FromResult(_moves.Source.Status(migration) == "error"));
        await _moves.Source.StateAsync(server, "active");
        await _moves.Source.QuietAsync(server);
        Assert.Contains("transfer_certificate", _moves.Source.Fault(server), StringComparison.Ordinal);
        Assert.Equal(init, (await _moves.Source.ContainerAsync(server)).InitPid);
        Assert.Equal((64, null), _moves.Allocated(server.Uuid));
    }
}
