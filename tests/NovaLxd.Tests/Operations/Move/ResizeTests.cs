using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.Operations;
using NovaLxd.Resources;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.TestCloud.Http;
using NovaLxd.Tests.Fakes;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Operations.Move;

/// <summary>A resize step by step, each with the message that the one before sent.</summary>
public sealed class ResizeTests : ResizeFixture
{
    [Fact]
    public async Task ItIsFinishedAndConfirmed()
    {
        await ResizeAsync();

        Assert.Equal(("resized", null, PowerState.Running), State());
        Assert.Equal(["stop", "resize 512", "start"], Plane.Driver.Calls);
        Assert.Equal((2, 576, 2), Used());
        Assert.Equal(("finished", TestPlane.HostName, "192.0.2.10"), ((string?)MigrationRow["status"], (string?)MigrationRow["dest_compute"], (string?)MigrationRow["dest_host"]));
        Assert.Equal(("m1.tiny", "m1.nano", "m1.tiny"), (Name("flavor"), Name("old_flavor"), Name("new_flavor")));
        Assert.Equal(2, (int?)Plane.Row["instance_type_id"]);
        Assert.Equal((512, 64), (Allocated(Plane.Instance.Uuid), Allocated(MigrationUuid)));

        MigrationRow["status"] = "confirming";
        await RunAsync("confirm_resize", MoveArguments());

        Assert.Equal(("active", null, PowerState.Running), State());
        AssertOver("confirmed", 512);
        Assert.Equal((1, 512, 1), Used());
        Assert.Equal(
            ["exists.", "resize_prep.start", "resize_prep.end", "resize.start", "resize.end", "resize_finish.start", "resize_finish.end", "resize_confirm.start", "resize_confirm.end"],
            Plane.Notifier.Events);
    }

    [Theory]
    [InlineData("active", ContainerState.Running)]
    [InlineData("stopped", ContainerState.Stopped)]
    public async Task ItIsRevertedToWhatItWas(string vmState, ContainerState state)
    {
        Plane.Row["vm_state"] = vmState;
        Plane.Driver.States[Id] = state;
        await ResizeAsync();
        Assert.Equal(state, Plane.Driver.States[Id]);
        Plane.Driver.Calls.Clear();

        Revert();
        await RunAsync("revert_resize", RevertArguments());
        Assert.Equal((1, 64, 1), Used());
        await RunCastAsync("finish_revert_resize");

        Assert.Equal((vmState, null), ((string?)Plane.Row["vm_state"], (string?)Plane.Row["task_state"]));
        Assert.Equal(state, Plane.Driver.States[Id]);
        Assert.Equal(64L << 20, Plane.Driver.Specs[Id].Limits.MemoryBytes);
        AssertOver("reverted", 64);
        Assert.Equal((1, 64, 1), Used());
        Assert.Equal("m1.nano", Name("flavor"));
    }

    /// <summary>By the step, and by what of the step cannot be written.</summary>
    [Theory]
    [InlineData("prep_resize", "Migration.save", "pre-migrating")]
    [InlineData("prep_resize", "ComputeNode.save", null)]
    [InlineData("resize_instance", "Migration.save", "migrating")]
    [InlineData("resize_instance", "Migration.save", "post-migrating")]
    [InlineData("finish_resize", "Migration.save", "finished")]
    [InlineData("finish_resize", "BlockDeviceMappingList.get_by_instance_uuid", null)]
    public async Task AFailureLeavesTheServerAsItWas(string step, string request, string? status)
    {
        var steps = new[] { "prep_resize", "resize_instance", "finish_resize" };
        var failed = false;
        for (var i = 0; i <= Array.IndexOf(steps, step); i++)
        {
            if (steps[i] == step)
            {
                Plane.Conductor.Interfere = (name, args) =>
                {
                    var fails = !failed && name == request && (status is null || (string?)args["objinst"]!["nova_object.data"]!["status"] == status);
                    failed |= fails;
                    return fails ? throw ConductorFailureException.Nova("NovaException", "the database is away") : Task.CompletedTask;
                };
                await Assert.ThrowsAsync<RpcFailureException>(() => i == 0 ? RunAsync("prep_resize", PrepArguments()) : RunCastAsync(step));
            }
            else
            {
                await (i == 0 ? RunAsync("prep_resize", PrepArguments()) : RunCastAsync(steps[i]));
            }
        }

        Assert.Equal(("active", null, PowerState.Running), State());
        Assert.Equal(64L << 20, Plane.Driver.Specs[Id].Limits.MemoryBytes);
        AssertOver("error", 64);
        Assert.Equal((1, 64, 1), Used());
        Assert.Equal("m1.nano", Name("flavor"));
        Assert.Contains("the database is away", (string?)Plane.Conductor.Faults[^1]["message"], StringComparison.Ordinal);
        Assert.Equal("Error", Plane.Action.Events[^1].Result);
    }

    [Fact]
    public async Task AFlavorForAnotherKindOfMachineIsRefusedWhileTheGuestRuns()
    {
        var arguments = PrepArguments();
        arguments["flavor"]!["nova_object.data"]!["extra_specs"] = new JObject { ["hw:numa_nodes"] = "2" };
        await RunAsync("prep_resize", arguments);

        await Assert.ThrowsAsync<RpcFailureException>(() => RunCastAsync("resize_instance"));

        Assert.DoesNotContain("stop", Plane.Driver.Calls);
        Assert.Equal(("active", null, PowerState.Running), State());
        Assert.Equal("m1.nano", Name("flavor"));
        Assert.Contains("hw:numa_nodes = 2", (string?)Plane.Conductor.Faults[^1]["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task ARevertThatFilesHaveOutgrownLeavesTheNewFlavorAndCanBeRepeated()
    {
        var arguments = PrepArguments();
        arguments["flavor"]!["nova_object.data"]!["root_gb"] = 2;
        await RunAsync("prep_resize", arguments);
        await RunCastAsync("resize_instance");
        await RunCastAsync("finish_resize");
        Plane.Driver.DiskUsedBytes = 1100 << 20;
        Plane.Driver.Calls.Clear();

        Revert();
        var failure = await Assert.ThrowsAsync<RpcFailureException>(() => RunAsync("revert_resize", RevertArguments()));

        Assert.Equal("ResizeError", failure.Failure.Class);
        Assert.Contains("do not fit into the 1 GiB", failure.Failure.Message, StringComparison.Ordinal);
        Assert.Equal(("resized", null, PowerState.Running), State());
        Assert.Equal("finished", (string?)MigrationRow["status"]);
        Assert.Empty(Plane.Driver.Calls);
        Assert.Equal((2, 576, 3), Used());
    }

    [Fact]
    public async Task AServerThatIsBeingDeletedIsLeftToItsDelete()
    {
        await RunAsync("prep_resize", PrepArguments());
        Plane.Row["task_state"] = "deleting";

        await RunCastAsync("resize_instance");

        Assert.Empty(Plane.Driver.Calls);
        Assert.Equal("deleting", (string?)Plane.Row["task_state"]);
        Assert.Equal("error", (string?)MigrationRow["status"]);
        Assert.Null(Allocated(MigrationUuid));
    }

    [Fact]
    public async Task AServerDeletedBetweenTheStepsIsNoFailure()
    {
        await RunAsync("prep_resize", PrepArguments());
        await RunCastAsync("resize_instance");
        Plane.Row["deleted"] = true;

        await RunCastAsync("finish_resize");

        Assert.Null(Allocated(MigrationUuid));
        Assert.Empty(Plane.Conductor.Faults);
    }

    /// <summary>A port that an earlier move left expecting another host.</summary>
    [Fact]
    public async Task PortsAreBoundHereAndExpectNoOtherHost()
    {
        var network = Cloud.Neutron.AddNetwork("private", (string)Plane.Row["project_id"]!);
        Cloud.Neutron.AddHost(TestPlane.HostName);
        Cloud.Neutron.AddHost("elsewhere");
        var port = Cloud.Neutron.AddPort(network, (string)Plane.Row["project_id"]!, new JObject
        {
            ["device_id"] = Plane.Instance.Uuid,
            ["device_owner"] = "compute:nova",
            ["binding:host_id"] = "elsewhere",
            ["binding:profile"] = new JObject { ["migrating_to"] = "cmp9", ["kept"] = "yes" },
        });

        await ResizeAsync();

        var bound = Cloud.Neutron.Ports[port];
        Assert.Equal(TestPlane.HostName, (string?)bound["binding:host_id"]);
        Assert.Equal("{\"kept\":\"yes\"}", bound["binding:profile"]!.ToString(Newtonsoft.Json.Formatting.None));
    }
}
