using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Tests.Fakes;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Operations.Power;

public sealed class PauseInstanceTests
{
    private readonly TestPlane _plane = new();

    private Guid Id => Guid.Parse(_plane.Instance.Uuid);

    [Fact]
    public async Task FreezesTheGuestAndSaysSo()
    {
        _plane.Driver.States[Id] = ContainerState.Running;

        Assert.Null(await _plane.RunAsync("pause_instance"));

        Assert.Equal(ContainerState.Frozen, _plane.Driver.States[Id]);
        Assert.Equal(("paused", null, PowerState.Paused), ((string?)_plane.Row["vm_state"], (string?)_plane.Row["task_state"], (int)_plane.Row["power_state"]!));
        Assert.Equal(["pause.start", "pause.end"], _plane.Notifier.Events);
        Assert.Equal("Success", _plane.Action.Events[0].Result);
    }

    [Fact]
    public async Task ThawsIt()
    {
        _plane.Driver.States[Id] = ContainerState.Frozen;
        _plane.Row["task_state"] = TaskState.Unpausing;

        await _plane.RunAsync("unpause_instance");

        Assert.Equal(ContainerState.Running, _plane.Driver.States[Id]);
        Assert.Equal(("active", null, PowerState.Running), ((string?)_plane.Row["vm_state"], (string?)_plane.Row["task_state"], (int)_plane.Row["power_state"]!));
    }

    [Fact]
    public async Task AGuestThatIsNotHereIsAFailureTheUserCanRead()
    {
        var failure = await Assert.ThrowsAsync<RpcFailureException>(() => _plane.RunAsync("pause_instance"));

        Assert.Equal("InstanceNotFound", failure.Failure.Class);
        Assert.Equal(("active", null), ((string?)_plane.Row["vm_state"], (string?)_plane.Row["task_state"]));
        Assert.Contains("is not on this host", (string?)_plane.Conductor.Faults[0]["message"], StringComparison.Ordinal);
        Assert.Equal(["pause.start", "exception pause_instance"], _plane.Notifier.Events);
    }

    [Fact]
    public async Task ADeleteThatCameBetweenIsNotOverwritten()
    {
        _plane.Driver.States[Id] = ContainerState.Running;
        _plane.Row["task_state"] = TaskState.Deleting;

        var failure = await Assert.ThrowsAsync<RpcFailureException>(() => _plane.RunAsync("pause_instance"));

        Assert.Equal("UnexpectedDeletingTaskStateError", failure.Failure.Class);
        Assert.Equal(("active", "deleting"), ((string?)_plane.Row["vm_state"], (string?)_plane.Row["task_state"]));
    }
}
