using Microsoft.Extensions.DependencyInjection;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Operations.Move;
using NovaLxd.Startup;
using NovaLxd.Tests.Fakes;
using NovaLxd.Tests.Operations.Move;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Startup;

/// <summary>What a start finds of moves whose instance is the other host's by its row.</summary>
public sealed class MoveRecoveryTests : HostMoveFixture
{
    [Fact]
    public async Task ADestinationThatWasPreparingGivesItUp()
    {
        await ArrivingAsync();
        (Plane.Row["task_state"], Plane.Row["new_flavor"], MigrationRow["status"]) = ("resize_prep", NewFlavor(), "pre-migrating");
        Plane.Row["system_metadata"]!["old_vm_state"] = "active";

        await RecoverAsync();

        Assert.Equal(("active", null), ((string?)Plane.Row["vm_state"], (string?)Plane.Row["task_state"]));
        Assert.Equal(Other, (string?)Plane.Row["host"]);
        AssertOver("error", 64);
        Assert.Contains("was stopped meanwhile", (string?)Plane.Conductor.Faults[^1]["message"], StringComparison.Ordinal);
        Assert.Empty(Plane.Driver.Calls);
    }

    /// <summary>The source has begun: it is the source's now.</summary>
    [Fact]
    public async Task WhatTheSourceHasTakenUpGoesOn()
    {
        await ArrivingAsync();
        (Plane.Row["task_state"], MigrationRow["status"]) = ("resize_migrating", "pre-migrating");

        await RecoverAsync();

        Assert.Equal("resize_migrating", (string?)Plane.Row["task_state"]);
        Assert.Equal("pre-migrating", (string?)MigrationRow["status"]);
        Assert.Empty(Plane.Conductor.Faults);
    }

    [Fact]
    public async Task ASourceThatHadHandedOverSaysSoOnceMore()
    {
        Left("resize_migrated", "post-migrating");

        await RecoverAsync();

        Assert.Equal((Other, "finish_resize"), (Plane.Transport.Casts![^1].Server, Plane.Transport.Casts![^1].Method));
        Assert.Empty(Plane.Driver.Calls);
    }

    [Theory]
    [InlineData("resize_finish", "post-migrating")]
    [InlineData("resize_reverting", "reverting")]
    [InlineData("resize_reverting", "error")]
    [InlineData(null, "finished")]
    [InlineData("deleting", "confirming")]
    public async Task WhatTheOtherHostWorksAtIsLeftToIt(string? task, string status)
    {
        Left(task, status);

        await RecoverAsync();

        Assert.Empty(Plane.Transport.Casts!);
        Assert.Empty(Plane.Driver.Calls);
        Assert.Equal((Other, task), ((string?)Plane.Row["host"], (string?)Plane.Row["task_state"]));
        Assert.True(Plane.Driver.States.ContainsKey(Id));
    }

    [Fact]
    public async Task ASourceFinishesARevertThatHasComeBackToIt()
    {
        Left("resize_reverting", "reverted");
        TakeNewFlavor();

        await RecoverAsync();

        Assert.Equal(("active", null, PowerState.Running), State());
        Assert.Equal((TestPlane.HostName, "m1.nano"), ((string?)Plane.Row["host"], Name("flavor")));
        AssertOver("reverted", 64);
    }

    [Fact]
    public async Task ARevertThatCannotBeFinishedIsAnErrorWithItsReason()
    {
        Left("resize_reverting", "reverted");
        TakeNewFlavor();
        FailOn("Instance.drop_migration_context", null);

        await RecoverAsync();

        Assert.Equal(("error", null), ((string?)Plane.Row["vm_state"], (string?)Plane.Row["task_state"]));
        Assert.Contains("the database is away", (string?)Plane.Conductor.Faults[^1]["message"], StringComparison.Ordinal);
    }

    /// <summary>The container may be gone by then.</summary>
    [Theory]
    [InlineData("confirming", true)]
    [InlineData("confirming", false)]
    [InlineData("confirmed", false)]
    public async Task ASourceFinishesAConfirmation(string status, bool there)
    {
        Left(null, status);
        TakeNewFlavor();
        (Plane.Row["vm_state"], Plane.Row["power_state"]) = ("resized", PowerState.Running);
        if (!there)
        {
            Plane.Driver.States.Clear();
        }

        await RecoverAsync();

        Assert.Equal(("active", null, PowerState.Running), State());
        Assert.Equal(("confirmed", null), ((string?)MigrationRow["status"], Allocated(MigrationUuid)));
        Assert.Equal((null, null), (Name("old_flavor"), Name("new_flavor")));
        Assert.False(Plane.Driver.States.ContainsKey(Id));
    }

    [Fact]
    public async Task OnlyTheLastMoveOfAnInstanceCounts()
    {
        Left("resize_migrated", "post-migrating");
        var earlier = MigrationRow.DeepClone();
        (earlier["id"], earlier["uuid"], earlier["status"]) = ((int)MigrationRow["id"]! - 1, Guid.NewGuid().ToString(), "confirmed");
        Plane.Conductor.Migrations.Add((Newtonsoft.Json.Linq.JObject)earlier);

        await RecoverAsync();

        Assert.Equal("finish_resize", Assert.Single(Plane.Transport.Casts!).Method);
    }

    private void Left(string? task, string status)
    {
        Leaving();
        Plane.Driver.States[Id] = ContainerState.Stopped;
        (Plane.Row["host"], Plane.Row["node"], Plane.Row["task_state"], MigrationRow["status"]) = (Other, OtherNode, task, status);
    }

    private Task RecoverAsync() => ActivatorUtilities.CreateInstance<MoveRecovery>(
            Services, ActivatorUtilities.CreateInstance<ConfirmResize>(Services), ActivatorUtilities.CreateInstance<FinishRevertResize>(Services))
        .RunAsync(RequestContext.CreateAdmin(), default);
}
