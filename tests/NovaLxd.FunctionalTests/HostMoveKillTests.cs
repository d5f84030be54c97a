using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;

namespace NovaLxd.FunctionalTests;

/// <summary>kill -9 of the service on either host of a move. One server goes through it all, as starting two hosts is what takes its time.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class HostMoveKillTests(Broker broker) : IAsyncLifetime
{
    private Moves? _moves;
    private Server _server = null!;

    private ComputeSite Source => _moves!.Source;

    private ComputeSite Target => _moves!.Target;

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _moves?.DisposeAsync().AsTask() ?? Task.CompletedTask;

    /// <summary>Before it has handed the server over it takes it back; what was confirmed is confirmed.</summary>
    [Fact]
    public async Task TheSourceIsKilled()
    {
        await StartAsync(Programs.Source);

        // As it begins, and when the copy is whole on the other host.
        foreach (var status in new[] { "migrating", "post-migrating" })
        {
            var reached = HoldAt((name, args) => name == "Migration.save" && (string?)Data(args)["status"] == status);
            var failed = await _moves!.RequestAsync(_server, Resizes.Flavor());
            await KillAsync(Source, reached);

            await Source.StateAsync(_server, "active");
            await Source.UntilAsync("the migration is an error", () => Task.FromResult(Source.Status(failed) == "error"));
            Assert.Contains("was stopped meanwhile", Source.Fault(_server), StringComparison.Ordinal);
            Assert.Single(Source.Guests());
            await Target.UntilAsync("nothing is left on the destination", () => Task.FromResult(!Moves.HasContainer(Target, _server)));
            Assert.Equal(((64, null), (null, null)), (_moves.Allocated(_server.Uuid), _moves.Allocated((string)failed["uuid"]!)));
        }

        var migration = await _moves!.MoveAsync(_server);
        var confirming = HoldAt((name, args) => name == "Migration.save" && (string?)Data(args)["status"] == "confirmed");
        await Source.RequestConfirmAsync(_server, migration);
        await KillAsync(Source, confirming);

        await Target.StateAsync(_server, "active");
        await Source.UntilAsync("the allocation of the source is gone", () => Task.FromResult(_moves.Allocated((string)migration["uuid"]!) == (null, null)));
        Assert.Equal("confirmed", Source.Status(migration));
        Assert.False(Moves.HasContainer(Source, _server));
        Assert.Single(Target.Guests());
    }

    /// <summary>What it has not begun is taken back, and what it has is finished.</summary>
    [Fact]
    public async Task TheDestinationIsKilled()
    {
        await StartAsync(Programs.Target);
        var init = Assert.Single(Source.Guests());

        // While it makes room: the server has noticed nothing.
        var reached = HoldAt((name, _) => name == "ComputeNode.save" && TaskOfServer() == "resize_prep");
        var failed = await _moves!.RequestAsync(_server, Resizes.Flavor());
        await KillAsync(Target, reached);
        await Source.StateAsync(_server, "active");
        await Source.UntilAsync("the migration is an error", () => Task.FromResult(Source.Status(failed) == "error"));
        Assert.Contains("was stopped meanwhile", Source.Fault(_server), StringComparison.Ordinal);
        Assert.Equal([init], Source.Guests());
        Assert.Equal(((64, null), (null, null)), (_moves.Allocated(_server.Uuid), _moves.Allocated((string)failed["uuid"]!)));

        // When everything has come, and is no container yet: it comes again.
        var asked = 0;
        reached = HoldAt((name, args) => name == "MigrationList.get_by_filters" && (string?)args["args"]![0]!["status"] == "migrating" && ++asked == 2);
        var migration = await _moves.RequestAsync(_server, Resizes.Flavor());
        await KillAsync(Target, reached, () => HoldAt((name, args) => name == "Migration.save" && (string?)Data(args)["status"] == "finished"));

        // When it runs there, and its record does not say so.
        await KillAsync(Target, _held);
        await Target.StateAsync(_server, "resized");
        Assert.Equal("finished", Source.Status(migration));
        Assert.Single(Target.Guests());
        Assert.Empty(Source.Guests());

        // When it has stopped it there for a revert.
        reached = HoldAt((name, args) => name == "Migration.save" && (string?)Data(args)["status"] == "reverted");
        await Target.RequestRevertAsync(_server, migration);
        await KillAsync(Target, reached);
        await Source.StateAsync(_server, "active");
        Assert.Single(Source.Guests());
        await Target.UntilAsync("nothing is left on the destination", () => Task.FromResult(!Moves.HasContainer(Target, _server)));
        Assert.Equal("reverted", Source.Status(migration));
        Assert.Equal(((64, null), (null, null)), (_moves.Allocated(_server.Uuid), _moves.Allocated((string)migration["uuid"]!)));
    }

    private Task _held = Task.CompletedTask;

    private static JToken Data(JObject args) => args["objinst"]!["nova_object.data"]!;

    private async Task StartAsync(Programs programs)
    {
        _moves = await Moves.StartAsync(broker, programs: programs);
        _server = await Source.CreateActiveAsync();
    }

    private Task HoldAt(Func<string, JObject, bool> which) => _held = Source.Plane.HoldConductor(which);

    /// <summary>Called while the tables are not locked.</summary>
    private string? TaskOfServer() => Source.Plane.Conductor.Locked(c => (string?)c.Instances[_server.Uuid]["task_state"]);

    /// <param name="site">Whose service is killed and started again.</param>
    /// <param name="reached">When.</param>
    /// <param name="next">What is to be held from then on.</param>
    private async Task KillAsync(ComputeSite site, Task reached, Action? next = null)
    {
        await site.UntilAsync("the phase is reached", () => Task.FromResult(reached.IsCompleted));
        await site.Program.KillAsync();
        site.Plane.Interfere = null;
        next?.Invoke();
        await site.RestartProgramAsync();
    }
}
