using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Rpc;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.Tests.Fakes;

namespace NovaLxd.Tests.Rpc;

public sealed class OperationRunnerTests
{
    private const Wrap Everything = Wrap.X | Wrap.T | Wrap.E | Wrap.M | Wrap.F;

    private readonly TestPlane _plane = new();

    [Fact]
    public async Task ASuccessIsAnEventAndNothingElse()
    {
        await _plane.RunAsync(Method(Everything, _ => Task.FromResult<JToken?>(null)));

        Assert.Equal("Success", Assert.Single(_plane.Action.Events).Result);
        Assert.Equal(["InstanceActionEvent.event_start", "InstanceActionEvent.event_finish_with_failure"], _plane.Conductor.Requests);
        Assert.Empty(_plane.Notifier.Events);
    }

    [Fact]
    public async Task AFailureIsRecordedFromTheInsideOut()
    {
        var order = new List<string>();
        _plane.Conductor.Interfere = (name, _) =>
        {
            order.Add(name);
            return Task.CompletedTask;
        };
        _plane.Conductor.Migrations.Add(new JObject { ["id"] = 1, ["status"] = "migrating" });

        var failure = await FailAsync(Everything, new BuildAbortException("no"));

        Assert.Equal("BuildAbortException", failure.Failure.Class);
        Assert.Equal(
            ["InstanceActionEvent.event_start", "InstanceFault.create", "Migration.save", "InstanceActionEvent.event_finish_with_failure", "Instance.save"], order);
        Assert.Equal(["exception f"], _plane.Notifier.Events);
        Assert.Equal("error", (string?)_plane.Conductor.Migrations[0]["status"]);
    }

    [Fact]
    public async Task TheUserFindsTheReasonInFaultAndEvent()
    {
        await FailAsync(Everything, new ComputeResourcesUnavailableException("memory"));

        var fault = Assert.Single(_plane.Conductor.Faults);
        Assert.Equal("This host has not enough of what is asked for: memory.", (string?)fault["message"]);
        Assert.Equal((400, "", TestPlane.HostName), ((int)fault["code"]!, (string?)fault["details"], (string?)fault["host"]));
        var done = Assert.Single(_plane.Action.Events);
        Assert.Equal(("compute_f", "Error", "This host has not enough of what is asked for: memory."), (done.Name, done.Result, done.Details));
        Assert.Equal("Error", _plane.Action.Message);
        Assert.Equal(JTokenType.Null, _plane.Row["task_state"]!.Type);
        Assert.Equal("active", (string?)_plane.Row["vm_state"]);
    }

    [Fact]
    public async Task WhatNobodyForesawKeepsItsDetailsForAdministrators()
    {
        await FailAsync(Everything, new InvalidOperationException("inner workings"));

        var fault = Assert.Single(_plane.Conductor.Faults);
        Assert.Equal("InvalidOperationException", (string?)fault["message"]);
        Assert.Contains("inner workings", (string?)fault["details"], StringComparison.Ordinal);
        Assert.Equal(500, (int)fault["code"]!);
    }

    [Theory]
    [InlineData("T", true)]
    [InlineData("X, E, M, F", false)]
    public async Task OnlyMarkTResetsTheTaskState(string wraps, bool reset)
    {
        await FailAsync(Enum.Parse<Wrap>(wraps), new BuildAbortException("no"));

        Assert.Equal(reset ? null : "pausing", (string?)_plane.Row["task_state"]);
    }

    [Fact]
    public async Task ATaskThatWasTakenOverIsLeftAlone()
    {
        _plane.Row["task_state"] = "deleting";

        await FailAsync(Everything, new UnexpectedDeletingTaskStateException("it is being deleted"));

        Assert.Equal("deleting", (string?)_plane.Row["task_state"]);
    }

    [Fact]
    public async Task AnInstanceThatIsGoneGetsNoFault()
    {
        await FailAsync(Everything, InstanceNotFoundException.For(_plane.Instance.Uuid));

        Assert.Empty(_plane.Conductor.Faults);
        Assert.Equal("Error", _plane.Action.Events[0].Result);
    }

    [Fact]
    public async Task WithoutAnActionTheOperationIsNotBegun()
    {
        _plane.Conductor.Actions.Clear();
        var begun = false;

        var failure = await Assert.ThrowsAsync<RpcFailureException>(() => _plane.RunAsync(Method(Everything, _ =>
        {
            begun = true;
            return Task.FromResult<JToken?>(null);
        })));

        Assert.False(begun);
        Assert.Equal("InstanceActionNotFound", failure.Failure.Class);
        Assert.Equal(JTokenType.Null, _plane.Row["task_state"]!.Type);
        Assert.Empty(_plane.Conductor.Faults);
    }

    [Fact]
    public async Task OneRecordThatCannotBeWrittenDoesNotKeepTheOthersFromBeing()
    {
        _plane.Conductor.Interfere = (name, _) => name == "InstanceFault.create"
            ? throw new ConductorFailureException("oslo_db.exception", "DBError", "no database", []) : Task.CompletedTask;

        var failure = await FailAsync(Everything, new BuildAbortException("no"));

        Assert.Equal("BuildAbortException", failure.Failure.Class);
        Assert.Equal("Error", _plane.Action.Events[0].Result);
        Assert.Null((string?)_plane.Row["task_state"]);
    }

    [Fact]
    public async Task AStoppingServiceStillRecords()
    {
        using var stopping = new CancellationTokenSource();
        var running = _plane.RunAsync(Method(Everything, async token =>
        {
            await stopping.CancelAsync();
            token.ThrowIfCancellationRequested();
            return null;
        }), cancellationToken: stopping.Token);

        await Assert.ThrowsAsync<RpcFailureException>(() => running);

        Assert.StartsWith("Interrupted", (string?)_plane.Conductor.Faults[0]["message"], StringComparison.Ordinal);

        // By which the next start finds what is half done.
        Assert.Equal("pausing", (string?)_plane.Row["task_state"]);
    }

    [Fact]
    public async Task TheEventBeginsBeforeTheLockIsHad()
    {
        var held = await _plane.Locks.AcquireAsync(_plane.Instance.Uuid, default);
        var running = _plane.RunAsync(Method(Everything, _ => Task.FromResult<JToken?>(null)) with { Lock = InstanceLock.Body });
        await Eventually(() => _plane.Action.Events.Count == 1 && _plane.Locks.Count == 1);
        Assert.Null(_plane.Action.Events[0].Result);

        held.Dispose();
        await running;

        Assert.Equal("Success", _plane.Action.Events[0].Result);
        Assert.Equal(0, _plane.Locks.Count);
    }

    [Fact]
    public async Task ABuildWaitsForTheLockBeforeItsEvent()
    {
        var held = await _plane.Locks.AcquireAsync(_plane.Instance.Uuid, default);
        var running = _plane.RunAsync(Method(Everything, _ => Task.FromResult<JToken?>(null)) with { Lock = InstanceLock.Whole });
        Assert.Empty(_plane.Action.Events);

        held.Dispose();
        await running;

        Assert.Single(_plane.Action.Events);
    }

    [Fact]
    public async Task ArgumentsThatCannotBeReadAreAFailureWithTheirName()
    {
        var failure = await Assert.ThrowsAsync<RpcFailureException>(
            () => _plane.Runner().RunAsync(_plane.Rpc.Methods["pause_instance"], _plane.Context, new JObject { ["instance"] = "me" }, default));

        Assert.Equal("NovaException", failure.Failure.Class);
        Assert.Equal("Argument instance is not what it should be: expected an object, found String", failure.Failure.Message);
    }

    [Fact]
    public async Task ANewerMinorVersionIsUsedAsItComes()
    {
        var plane = new TestPlane(FakeRelease.Gazpacho, "2026.1");
        plane.Driver.States[Guid.Parse(plane.Instance.Uuid)] = Virt.ContainerState.Running;

        await plane.RunAsync("pause_instance");

        Assert.DoesNotContain("object_backport_versions", plane.Conductor.Requests);
        Assert.Equal("paused", (string?)plane.Row["vm_state"]);
    }

    [Fact]
    public async Task AnotherMajorVersionIsBroughtDownByTheConductor()
    {
        _plane.Driver.States[Guid.Parse(_plane.Instance.Uuid)] = Virt.ContainerState.Running;
        var newer = _plane.Instance.ToPrimitive();
        newer["nova_object.version"] = "3.0";

        await _plane.RunAsync("pause_instance", new JObject { ["instance"] = newer });

        Assert.Equal("object_backport_versions", _plane.Conductor.Requests[0]);
        Assert.Equal("paused", (string?)_plane.Row["vm_state"]);
    }

    private static async Task Eventually(Func<bool> condition)
    {
        for (var i = 0; i < 6000 && !condition(); i++)
        {
            await Task.Delay(10);
        }

        Assert.True(condition());
    }

    private Task<RpcFailureException> FailAsync(Wrap wraps, Exception failure) =>
        Assert.ThrowsAsync<RpcFailureException>(() => _plane.RunAsync(Method(wraps, _ => Task.FromException<JToken?>(failure))));

    private RpcMethod Method(Wrap wraps, Func<CancellationToken, Task<JToken?>> body)
    {
        var migration = NovaObject.Create<Migration>();
        migration.Set("id", 1);
        return new RpcMethod
        {
            Name = "f",
            Kind = Kind.Cast,
            Wraps = wraps,
            Bind = (_, _, _) => new Invocation(body, _plane.Instance, migration),
        };
    }
}
