using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;

namespace NovaLxd.FunctionalTests;

/// <summary>kill -9 of the service in each phase of a resize, of its confirmation and its revert.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class ResizeKillTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;
    private Server _server = null!;

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, run: false);
        _site.Program.Start();
        await _site.ProgramServesAsync();
        _server = await _site.CreateActiveAsync();
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    /// <summary>The new size is not all there: taken back, and its owner is told.</summary>
    [Theory]
    [InlineData("Migration.save", "migrating")]
    [InlineData("Migration.save", "post-migrating")]
    public async Task AKilledResizeIsTakenBack(string request, string status)
    {
        var reached = _site.Plane.HoldConductor((name, args) => name == request && (string?)Data(args)["status"] == status);
        var migration = await _site.RequestResizeAsync(_server, Resizes.Flavor());
        await KillAtAsync(reached);

        await _site.StateAsync(_server, "active");
        Assert.Single(_site.Guests());
        await AssertSizeAsync(64, 1);
        Assert.Contains("was stopped meanwhile", _site.Fault(_server), StringComparison.Ordinal);
        Assert.Equal("error", _site.Status(migration));
        Assert.Equal((64, null), (_site.Allocated(_server.Uuid), _site.Allocated((string)migration["uuid"]!)));
        Assert.Equal((1, 64, 1), _site.Used());
        await _site.ConfirmAsync(_server, await _site.ResizeAsync(_server, Resizes.Flavor()));
    }

    /// <summary>The new size is there: finished.</summary>
    [Theory]
    [InlineData("on its way")]
    [InlineData("new flavor taken")]
    [InlineData("guest on")]
    public async Task AKilledEndOfAResizeIsFinished(string phase)
    {
        var reached = _site.Plane.HoldConductor((name, args) => phase switch
        {
            "on its way" => name == "InstanceActionEvent.event_start" && (string?)args["args"]![1] == "compute_finish_resize",
            "new flavor taken" => name == "BlockDeviceMappingList.get_by_instance_uuid" && Task() == "resize_finish",
            _ => name == "Migration.save" && (string?)Data(args)["status"] == "finished",
        });
        var migration = await _site.RequestResizeAsync(_server, Resizes.Flavor());
        await KillAtAsync(reached);

        await _site.StateAsync(_server, "resized");
        Assert.Single(_site.Guests());
        await AssertSizeAsync(128, 2);
        Assert.Equal("finished", _site.Status(migration));
        Assert.Equal((3, 192, 3), _site.Used());
        await _site.ConfirmAsync(_server, migration);
        await _site.StateAsync(_server, "active");
        Assert.Equal((128, null), (_site.Allocated(_server.Uuid), _site.Allocated((string)migration["uuid"]!)));
    }

    [Theory]
    [InlineData("begun")]
    [InlineData("migration confirmed")]
    public async Task AKilledConfirmationIsFinished(string phase)
    {
        var migration = await _site.ResizeAsync(_server, Resizes.Flavor());
        var reached = _site.Plane.HoldConductor((name, args) => phase == "begun"
            ? name == "Migration.save" && (string?)Data(args)["status"] == "confirmed"
            : name == "Instance.drop_migration_context");
        await _site.RequestConfirmAsync(_server, migration);
        await KillAtAsync(reached);

        await _site.StateAsync(_server, "active");
        Assert.Single(_site.Guests());
        Assert.Equal("confirmed", _site.Status(migration));
        Assert.Equal((128, null), (_site.Allocated(_server.Uuid), _site.Allocated((string)migration["uuid"]!)));
        Assert.Equal((2, 128, 2), _site.Used());
    }

    [Theory]
    [InlineData("guest off")]
    [InlineData("on its way")]
    [InlineData("old flavor taken")]
    public async Task AKilledRevertIsFinished(string phase)
    {
        var migration = await _site.ResizeAsync(_server, Resizes.Flavor());
        var reached = _site.Plane.HoldConductor((name, args) => phase switch
        {
            "guest off" => name == "Migration.save" && (string?)Data(args)["status"] == "reverted",
            "on its way" => name == "InstanceActionEvent.event_start" && (string?)args["args"]![1] == "compute_finish_revert_resize",
            _ => name == "Instance.drop_migration_context",
        });
        await _site.RequestRevertAsync(_server, migration);
        await KillAtAsync(reached);

        await _site.StateAsync(_server, "active");
        Assert.Single(_site.Guests());
        await AssertSizeAsync(64, 1);
        Assert.Equal("reverted", _site.Status(migration));
        Assert.Equal((64, null), (_site.Allocated(_server.Uuid), _site.Allocated((string)migration["uuid"]!)));
        Assert.Equal((1, 64, 1), _site.Used());
    }

    private static JToken Data(JObject args) => args["objinst"]!["nova_object.data"]!;

    /// <summary>Called while the tables are not locked.</summary>
    private string? Task() => _site.Plane.Conductor.Locked(c => (string?)c.Instances[_server.Uuid]["task_state"]);

    private async Task KillAtAsync(Task reached)
    {
        await _site.UntilAsync("the phase is reached", () => System.Threading.Tasks.Task.FromResult(reached.IsCompleted));
        await _site.Program.KillAsync();
        _site.Plane.Interfere = null;
        await _site.RestartProgramAsync();
    }

    private async Task AssertSizeAsync(int memoryMb, int rootGb)
    {
        var record = JObject.Parse(await File.ReadAllTextAsync(Path.Combine(_site.StateFolder, "instances", "containers", _server.Uuid, "container.json")));
        Assert.Equal(((long)memoryMb << 20, (long)rootGb << 30), ((long)record["spec"]!["limits"]!["memoryBytes"]!, (long)record["spec"]!["rootDiskBytes"]!));
        var row = await _site.RowAsync(_server);
        Assert.Equal((memoryMb, rootGb), ((int)row["memory_mb"]!, (int)row["root_gb"]!));
    }
}
