using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Startup;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.Tests.Fakes;
using NovaLxd.Tests.Operations.Move;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Startup;

/// <summary>A resize in whose midst the service ended: what the next start makes of it, and what the message does that may still be in the queue.</summary>
public sealed class ResizeRecoveryTests : ResizeFixture
{
    [Theory]
    [InlineData("resize_instance", "Migration.save", "migrating", "resize_prep")]
    [InlineData("resize_instance", "Migration.save", "post-migrating", "resize_migrating")]
    public async Task OneThatHadNotTheNewSizeIsTakenBack(string step, string request, string status, string taskState)
    {
        await RunAsync("prep_resize", PrepArguments());
        await StopAtAsync(request, status, () => RunCastAsync(step));
        Assert.Equal(taskState, (string?)Plane.Row["task_state"]);

        await RecoverAsync();
        await RunCastAsync(step);

        Assert.Equal(("active", null, PowerState.Running), State());
        Assert.Equal(ContainerState.Running, Plane.Driver.States[Id]);
        Assert.Equal(64L << 20, Plane.Driver.Specs[Id].Limits.MemoryBytes);
        AssertOver("error", 64);
        Assert.Contains("was stopped meanwhile", (string?)Plane.Conductor.Faults[^1]["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task OneThatWasOnItsWayHereIsTakenBackAndItsMessageIsLeftOut()
    {
        await RecoverAsync();
        await RunAsync("prep_resize", PrepArguments());

        Assert.Equal("active", (string?)Plane.Row["vm_state"]);
        Assert.Empty(Plane.Transport.Casts!);
        AssertOver("error", 64);
    }

    [Theory]
    [InlineData("", "", "resize_migrated")]
    [InlineData("BlockDeviceMappingList.get_by_instance_uuid", null, "resize_finish")]
    [InlineData("Migration.save", "finished", "resize_finish")]
    public async Task OneThatHadTheNewSizeIsFinished(string request, string? status, string taskState)
    {
        await RunAsync("prep_resize", PrepArguments());
        await RunCastAsync("resize_instance");
        if (request.Length > 0)
        {
            await StopAtAsync(request, status, () => RunCastAsync("finish_resize"));
        }

        Assert.Equal(taskState, (string?)Plane.Row["task_state"]);

        await RecoverAsync();
        await RunCastAsync("finish_resize");

        Assert.Equal(("resized", null, PowerState.Running), State());
        Assert.Equal(512L << 20, Plane.Driver.Specs[Id].Limits.MemoryBytes);
        Assert.Equal("finished", (string?)MigrationRow["status"]);
        Assert.Equal((512, 64), (Allocated(Plane.Instance.Uuid), Allocated(MigrationUuid)));
        Assert.Equal(("m1.tiny", "m1.nano"), (Name("flavor"), Name("old_flavor")));
    }

    [Theory]
    [InlineData("Migration.save", "confirmed")]
    [InlineData("Instance.drop_migration_context", null)]
    public async Task AConfirmationIsFinished(string request, string? status)
    {
        await ResizeAsync();
        MigrationRow["status"] = "confirming";
        var arguments = MoveArguments();
        await StopAtAsync(request, status, () => RunAsync("confirm_resize", arguments));

        await RecoverAsync();
        await RunAsync("confirm_resize", arguments);

        Assert.Equal(("active", null, PowerState.Running), State());
        AssertOver("confirmed", 512);
    }

    /// <summary>Nobody has decided yet.</summary>
    [Fact]
    public async Task OneThatWaitsGoesOnWaiting()
    {
        await ResizeAsync();

        await RecoverAsync();

        Assert.Equal(("resized", null, PowerState.Running), State());
        Assert.Equal("finished", (string?)MigrationRow["status"]);
    }

    [Theory]
    [InlineData("revert_resize", "Migration.save", "reverted")]
    [InlineData("finish_revert_resize", "BlockDeviceMappingList.get_by_instance_uuid", null)]
    [InlineData("finish_revert_resize", "Instance.drop_migration_context", null)]
    public async Task ARevertIsFinished(string step, string request, string? status)
    {
        await ResizeAsync();
        Revert();
        if (step == "revert_resize")
        {
            await StopAtAsync(request, status, () => RunAsync("revert_resize", RevertArguments()));
        }
        else
        {
            await RunAsync("revert_resize", RevertArguments());
            await StopAtAsync(request, status, () => RunCastAsync(step));
        }

        Assert.Equal("resize_reverting", (string?)Plane.Row["task_state"]);

        await RecoverAsync();

        Assert.Equal(("active", null, PowerState.Running), State());
        Assert.Equal(64L << 20, Plane.Driver.Specs[Id].Limits.MemoryBytes);
        AssertOver("reverted", 64);
        Assert.Equal("m1.nano", Name("flavor"));
    }

    [Fact]
    public async Task ARevertThatFilesHaveOutgrownIsToldAndTheNewFlavorStays()
    {
        var arguments = PrepArguments();
        arguments["flavor"]!["nova_object.data"]!["root_gb"] = 2;
        await RunAsync("prep_resize", arguments);
        await RunCastAsync("resize_instance");
        await RunCastAsync("finish_resize");
        Plane.Driver.DiskUsedBytes = 1100 << 20;
        Revert();

        await RecoverAsync();

        Assert.Equal(("resized", null, PowerState.Running), State());
        Assert.Equal("finished", (string?)MigrationRow["status"]);
        Assert.Contains("do not fit", (string?)Plane.Conductor.Faults[^1]["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnInterruptedDeleteTakesWhatTheMigrationHoldsWithIt()
    {
        await RunAsync("prep_resize", PrepArguments());
        await RunCastAsync("resize_instance");
        Plane.Row["task_state"] = "deleting";

        await ActivatorUtilities.CreateInstance<ResizeRecovery>(Services).AbandonAsync(RequestContext.CreateAdmin(), Plane.Instance, default);

        Assert.Null(Allocated(MigrationUuid));
        Assert.Equal("error", (string?)MigrationRow["status"]);
    }

    /// <summary>The request is answered by the end of the service, and nothing after it is carried out.</summary>
    private async Task StopAtAsync(string request, string? status, Func<Task> step)
    {
        var stopped = false;
        Plane.Conductor.Interfere = (name, args) =>
        {
            stopped |= name == request && (status is null || (string?)args["objinst"]!["nova_object.data"]!["status"] == status);
            if (stopped)
            {
                Stopping.Cancel();
                throw ConductorFailureException.Nova("NovaException", "the service ends");
            }

            return Task.CompletedTask;
        };
        await Assert.ThrowsAsync<RpcFailureException>(step);
        Plane.Conductor.Interfere = null;
        Stopping = new CancellationTokenSource();
        Plane.Conductor.Faults.Clear();
    }

    private async Task RecoverAsync()
    {
        var instance = await Plane.Client.GetInstanceAsync(
            RequestContext.CreateAdmin(), Plane.Instance.Uuid, ["info_cache", "metadata", "system_metadata", "flavor"], default);
        var step = RecoveryPlan.For(instance.VmState, instance.TaskState, PowerState.Running);
        await ActivatorUtilities.CreateInstance<ResizeRecovery>(Services).RecoverAsync(RequestContext.CreateAdmin(), instance, step, default);
    }
}
