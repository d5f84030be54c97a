using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.TestCloud.Http;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests;

/// <summary>A resize that fails in one of its steps: the server is as it was, runs, and its owner finds the reason.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class ResizeFailureTests(Broker broker) : IAsyncLifetime
{
    private const string Away = "the database is away";
    private ComputeSite _site = null!;
    private Server _server = null!;

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit);
        _server = await _site.CreateActiveAsync();
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Theory]
    [InlineData("pre-migrating")]
    [InlineData("migrating")]
    [InlineData("post-migrating")]
    [InlineData("finished")]
    public async Task TheServerIsAsItWas(string status)
    {
        FailOnce((name, args) => name == "Migration.save" && (string?)Data(args)["status"] == status);

        await FailAsync(Away);
    }

    [Theory]
    [InlineData("resize_migrating")]
    [InlineData("resize_migrated")]
    [InlineData("resize_finish")]
    public async Task TheServerIsAsItWasWhenItsRecordCannotBeWritten(string taskState)
    {
        FailOnce((name, args) => name == "Instance.save" && (string?)Data(args)["task_state"] == taskState);

        await FailAsync(Away);
    }

    [Fact]
    public async Task TheServerIsAsItWasWhenNeutronIsAway()
    {
        _site.Plane.Cloud.Neutron.Faults.Add(Fault.Answer(500, "GET", "/v2.0/ports"));

        await FailAsync("");

        _site.Plane.Cloud.Neutron.Faults.Clear();
    }

    /// <summary>Back to how it waited: its owner can confirm it, or try the revert again.</summary>
    [Fact]
    public async Task ARevertThatFailsLeavesTheNewFlavor()
    {
        var migration = await _site.ResizeAsync(_server, Resizes.Flavor());
        FailOnce((name, args) => name == "Migration.save" && (string?)Data(args)["status"] == "reverted");

        Assert.Equal("Error", await _site.FinishedAsync(await _site.RequestRevertAsync(_server, migration)));

        await _site.StateAsync(_server, "resized");
        Assert.Contains(Away, _site.Fault(_server), StringComparison.Ordinal);
        var container = await _site.ContainerAsync(_server);
        Assert.Equal((ContainerState.Running, 128L << 20, 2L << 30), (container.State, container.Spec.Limits.MemoryBytes, container.Spec.RootDiskBytes));
        Assert.Equal("finished", _site.Status(migration));
        await _site.RevertAsync(_server, migration);
        Assert.Equal(64L << 20, (await _site.ContainerAsync(_server)).Spec.Limits.MemoryBytes);
    }

    /// <summary>The delete waits for the step that runs, and what the migration holds goes with it.</summary>
    [Fact]
    public async Task AServerDeletedInTheMidstOfItIsGoneWithAllThatTheMigrationHeld()
    {
        var held = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        _site.Plane.Interfere = async (name, args) =>
        {
            if (name == "Migration.save" && (string?)Data(args)["status"] == "post-migrating" && held.TrySetResult())
            {
                await go.Task;
            }
        };
        var migration = await _site.RequestResizeAsync(_server, Resizes.Flavor());
        await _site.UntilAsync("the guest is off", () => Task.FromResult(held.Task.IsCompleted));

        var delete = await _site.SendAsync(_server, "terminate_instance", "deleting", ComputeSite.Bdms());
        go.SetResult();

        Assert.Equal("Success", await _site.FinishedAsync(delete));
        await _site.AssertGoneAsync(_server);
        await _site.UntilAsync("the migration holds nothing", () => Task.FromResult(_site.Allocated((string)migration["uuid"]!) is null));
        Assert.Equal((0, 0, 0), _site.Used());
    }

    private static JToken Data(JObject args) => args["objinst"]!["nova_object.data"]!;

    private void FailOnce(Func<string, JObject, bool> which)
    {
        var failed = 0;
        _site.Plane.Interfere = (name, args) => which(name, args) && Interlocked.Exchange(ref failed, 1) == 0
            ? throw ConductorFailureException.Nova("NovaException", Away)
            : Task.CompletedTask;
    }

    private async Task FailAsync(string word)
    {
        var migration = await _site.RequestResizeAsync(_server, Resizes.Flavor());

        await _site.UntilAsync("there is a fault", () => Task.FromResult(_site.Fault(_server).Length > 0));
        await _site.StateAsync(_server, "active");
        await _site.QuietAsync(_server);
        Assert.Contains(word, _site.Fault(_server), StringComparison.Ordinal);
        var container = await _site.ContainerAsync(_server);
        Assert.Equal((ContainerState.Running, 64L << 20, 1L << 30), (container.State, container.Spec.Limits.MemoryBytes, container.Spec.RootDiskBytes));
        await _site.UntilAsync("the migration is an error", () => Task.FromResult(_site.Status(migration) == "error"));
        Assert.Equal((64, null), (_site.Allocated(_server.Uuid), _site.Allocated((string)migration["uuid"]!)));
        Assert.Equal((1, 64, 1), _site.Used());
        var row = await _site.RowAsync(_server);
        Assert.Equal((1, 64, 1, 1), ((int)row["vcpus"]!, (int)row["memory_mb"]!, (int)row["root_gb"]!, (int)row["power_state"]!));

        // The next one succeeds.
        _site.Plane.Interfere = null;
        _site.Plane.Cloud.Neutron.Faults.Clear();
        await _site.ConfirmAsync(_server, await _site.ResizeAsync(_server, Resizes.Flavor()));
    }
}
