using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Newtonsoft.Json.Linq;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Operations.Move;
using NovaLxd.Periodic;
using NovaLxd.Resources;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.Tests.Fakes;
using NovaLxd.Tests.Transfer;
using NovaLxd.Transfer;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Operations.Move;

/// <summary>The steps of a move between hosts, on either of them; the other is what the messages say, and a real receiving end of the channel.</summary>
public sealed class HostMoveTests : HostMoveFixture
{
    private readonly FakeTransfers _there = new();

    [Fact]
    public async Task TheDestinationClaimsAndSendsTheWorkToTheSource()
    {
        await ArrivingAsync();

        await RunAsync("prep_resize", Prepare());

        var (topic, server, method, arguments) = Assert.Single(Plane.Transport.Casts!);
        Assert.Equal(("compute", Other, "resize_instance"), (topic, server, method));
        var migration = arguments["migration"]!["nova_object.data"]!;
        Assert.Equal(("pre-migrating", TestPlane.HostName, "192.0.2.10"), ((string?)migration["status"], (string?)migration["dest_compute"], (string?)migration["dest_host"]));
        Assert.Equal((1, 512, 1), Used());
        Assert.Equal((Other, "resize_prep"), ((string?)Plane.Row["host"], (string?)Plane.Row["task_state"]));
    }

    [Fact]
    public async Task WhatFailsOnTheDestinationInPreparationLeavesNoClaim()
    {
        await ArrivingAsync();
        FailOn("Migration.save", "pre-migrating");

        await Assert.ThrowsAsync<RpcFailureException>(() => RunAsync("prep_resize", Prepare()));

        Assert.Equal(("active", null), ((string?)Plane.Row["vm_state"], (string?)Plane.Row["task_state"]));
        Assert.Equal((0, 0, 0), Used());
        AssertOver("error", 64);
        Assert.Empty(Plane.Driver.Calls);
    }

    [Fact]
    public async Task TheSourceStopsSendsAndHandsOver()
    {
        await using var server = await ServeAsync();

        await RunAsync("resize_instance", ResizeArguments());

        var arrival = Assert.Single(_there.Arrivals);
        Assert.True(arrival.Completed);
        Assert.Equal(["stop"], Plane.Driver.Calls);
        Assert.Equal((Other, OtherNode, "resize_migrated"), ((string?)Plane.Row["host"], (string?)Plane.Row["node"], (string?)Plane.Row["task_state"]));
        Assert.Equal("post-migrating", (string?)MigrationRow["status"]);
        Assert.Equal(Other, Plane.Transport.Casts![^1].Server);
        Assert.Equal("finish_resize", Plane.Transport.Casts![^1].Method);
        Assert.True(Plane.Driver.States.ContainsKey(Id));
    }

    [Fact]
    public async Task ATransferThatFailsLeavesTheServerRunningWhereItIs()
    {
        _there.ExpectFault = new OutOfSpaceException("cmp2 has 3 MiB left");
        await using var server = await ServeAsync();

        await Assert.ThrowsAsync<RpcFailureException>(() => RunAsync("resize_instance", ResizeArguments()));

        AssertBackOnSource("cmp2 has 3 MiB left");
    }

    [Theory]
    [InlineData("Migration.save", "post-migrating")]
    [InlineData("Instance.save", "resize_migrated")]
    public async Task WhatFailsAfterTheTransferTakesTheCopyAway(string request, string state)
    {
        await using var server = await ServeAsync();
        FailOn(request, state);

        await Assert.ThrowsAsync<RpcFailureException>(() => RunAsync("resize_instance", ResizeArguments()));

        Assert.True(Assert.Single(_there.Arrivals).Disposed);
        AssertBackOnSource("the database is away");
    }

    [Fact]
    public async Task TheDestinationStartsWhatCame()
    {
        await ArrivedAsync();

        await RunAsync("finish_resize", MoveArguments());

        Assert.Equal(("resized", null, PowerState.Running), State());
        Assert.Equal("finished", (string?)MigrationRow["status"]);
        Assert.Equal(["resize 512", "start"], Plane.Driver.Calls);
        Assert.Equal((1, 512, 1), Used());
    }

    [Theory]
    [InlineData("Migration.save", "finished")]
    [InlineData("BlockDeviceMappingList.get_by_instance_uuid", null)]
    public async Task WhatFailsThereIsHandedBack(string request, string? state)
    {
        await ArrivedAsync();
        FailOn(request, state);

        await Assert.ThrowsAsync<RpcFailureException>(() => RunAsync("finish_resize", MoveArguments()));

        Assert.Equal("resize_reverting", (string?)Plane.Row["task_state"]);
        Assert.False(Plane.Driver.States.ContainsKey(Id));
        Assert.Equal((Other, "finish_revert_resize"), (Plane.Transport.Casts![^1].Server, Plane.Transport.Casts![^1].Method));
        Assert.Equal("error", (string?)MigrationRow["status"]);
        var fault = (string)Plane.Conductor.Faults[^1]["message"]!;
        Assert.Contains("goes back to cmp2: ", fault, StringComparison.Ordinal);
        Assert.Contains("the database is away", fault, StringComparison.Ordinal);
        Assert.Equal("Error", Plane.Action.Events[^1].Result);
        Assert.Equal((0, 0, 0), Used());
    }

    /// <summary>The owner could confirm it: nothing may be taken away for the sake of the books.</summary>
    [Fact]
    public async Task BooksThatCannotBeWrittenDoNotUndoAMove()
    {
        await ArrivedAsync();
        var done = false;
        Plane.Conductor.Interfere = (name, args) =>
        {
            done |= name == "Instance.save" && (string?)args["objinst"]!["nova_object.data"]!["vm_state"] == "resized";
            return done && name == "ComputeNode.save" ? throw ConductorFailureException.Nova("NovaException", "the database is away") : Task.CompletedTask;
        };

        await RunAsync("finish_resize", MoveArguments());

        Assert.Equal(("resized", null, PowerState.Running), State());
        Assert.True(Plane.Driver.States.ContainsKey(Id));
    }

    [Fact]
    public async Task TheSourceTakesUpWhatIsHandedBack()
    {
        Leaving();
        Plane.Driver.States[Id] = ContainerState.Stopped;
        (Plane.Row["host"], Plane.Row["node"], Plane.Row["task_state"]) = (Other, OtherNode, "resize_reverting");
        TakeNewFlavor();
        MigrationRow["status"] = "error";

        await RunAsync("finish_revert_resize", MoveArguments());

        Assert.Equal(("active", null, PowerState.Running), State());
        Assert.Equal((TestPlane.HostName, "m1.nano"), ((string?)Plane.Row["host"], Name("flavor")));
        AssertOver("error", 64);
    }

    [Fact]
    public async Task AConfirmationRemovesWhatTheSourceHas()
    {
        Leaving();
        Plane.Driver.States[Id] = ContainerState.Stopped;
        (Plane.Row["host"], Plane.Row["node"], Plane.Row["task_state"], Plane.Row["vm_state"]) = (Other, OtherNode, null, "resized");
        Plane.Row["power_state"] = PowerState.Running;
        TakeNewFlavor();
        MigrationRow["status"] = "confirming";

        await RunAsync("confirm_resize", MoveArguments());

        Assert.Equal(("active", null, PowerState.Running), State());
        Assert.False(Plane.Driver.States.ContainsKey(Id));
        Assert.Equal("confirmed", (string?)MigrationRow["status"]);
    }

    [Fact]
    public async Task ARevertRemovesWhatTheDestinationHas()
    {
        await ArrivedAsync();
        await RunAsync("finish_resize", MoveArguments());
        Plane.Driver.Calls.Clear();
        Revert();

        await RunAsync("revert_resize", RevertArguments());

        Assert.Equal(["stop"], Plane.Driver.Calls);
        Assert.False(Plane.Driver.States.ContainsKey(Id));
        Assert.Equal((Other, "finish_revert_resize"), (Plane.Transport.Casts![^1].Server, Plane.Transport.Casts![^1].Method));
        Assert.Equal("reverted", (string?)MigrationRow["status"]);
        Assert.Equal((0, 0, 0), Used());
    }

    [Theory]
    [InlineData("confirmed", true, Other, "active", false)]
    [InlineData("finished", true, Other, "resized", true)]
    [InlineData("error", true, Other, "error", true)]
    [InlineData("error", false, Other, "active", false)]
    [InlineData("reverted", false, Other, "active", false)]
    [InlineData("migrating", false, Other, "active", true)]
    [InlineData("confirmed", true, "cmp3", "active", true)]
    public async Task OnlyWhatARecordSaysIsCleanedAway(string status, bool source, string host, string vmState, bool stays)
    {
        if (source)
        {
            Leaving();
        }
        else
        {
            await ArrivingAsync();
        }

        Plane.Driver.States[Id] = ContainerState.Stopped;
        (Plane.Row["host"], Plane.Row["vm_state"], Plane.Row["task_state"]) = (host, vmState, null);
        MigrationRow["status"] = status;

        await CleanAsync();

        Assert.Equal(stays, Plane.Driver.States.ContainsKey(Id));
    }

    [Fact]
    public async Task AContainerThatRunsIsNeverCleanedAway()
    {
        await ArrivingAsync();
        (Plane.Row["task_state"], MigrationRow["status"]) = (null, "error");
        Plane.Driver.States[Id] = ContainerState.Running;

        await CleanAsync();

        Assert.True(Plane.Driver.States.ContainsKey(Id));
    }

    private Task CleanAsync() => ActivatorUtilities.CreateInstance<CleanMovedContainers>(
        Services, new InstanceLocks(), ActivatorUtilities.CreateInstance<ConfirmResize>(Services)).RunAsync(RequestContext.CreateAdmin(), default);

    /// <summary>The other host's end of the channel.</summary>
    private async Task<TransferServer> ServeAsync()
    {
        Leaving();
        var options = OptionsOf(Other);
        var receiver = new TransferReceiver(
            _there, new FakeDriver { Images = { "sha512:abc" } }, new FakeMoves { Source = TestPlane.HostName }, options, allowPrivileged: false,
            Services.GetRequiredService<TransferMetrics>(), TimeProvider.System, NullLogger<TransferReceiver>.Instance);
        var server = new TransferServer(
            receiver, new TransferCertificates(options), options, new ServiceOptions(), TimeProvider.System, NullLoggerFactory.Instance);
        await server.StartAsync(default);
        return server;
    }

    private JObject ResizeArguments()
    {
        var arguments = MoveArguments();
        (arguments["flavor"], arguments["image"], arguments["clean_shutdown"]) = (NewFlavor(), new JObject(), true);
        arguments["request_spec"] = Recording["prep_resize"]!["request_spec"]!.DeepClone();
        return arguments;
    }

    private JObject Prepare()
    {
        var arguments = PrepArguments();
        arguments["filter_properties"]!["retry"] = null;
        return arguments;
    }

    private void AssertBackOnSource(string reason)
    {
        Assert.Equal(("active", null, PowerState.Running), State());
        Assert.Equal((TestPlane.HostName, "node1"), ((string?)Plane.Row["host"], (string?)Plane.Row["node"]));
        Assert.Equal(["stop", "start"], Plane.Driver.Calls);
        AssertOver("error", 64);
        Assert.Contains(reason, (string?)Plane.Conductor.Faults[^1]["message"], StringComparison.Ordinal);
        Assert.Equal("Error", Plane.Action.Events[^1].Result);
        Assert.Equal((1, 64, 1), Used());
    }
}
