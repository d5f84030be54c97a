using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Tests.Fakes;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Operations.Build;

public sealed class SoftDeleteInstanceTests
{
    private readonly TestPlane _plane = new();

    public SoftDeleteInstanceTests()
    {
        _plane.Row["task_state"] = TaskState.SoftDeleting;
        _plane.Driver.States[Id] = ContainerState.Running;
        _plane.Services.AddSingleton(new InstancePower(_plane.Driver, null!, new InstanceOptions(), NullLogger<InstancePower>.Instance));
    }

    private Guid Id => Guid.Parse(_plane.Instance.Uuid);

    [Fact]
    public async Task TheGuestIsOffAndStays()
    {
        await _plane.RunAsync("soft_delete_instance");

        Assert.Equal(ContainerState.Stopped, _plane.Driver.States[Id]);
        Assert.Equal(("soft-delete", null, PowerState.Shutdown), ((string?)_plane.Row["vm_state"], (string?)_plane.Row["task_state"], (int)_plane.Row["power_state"]!));
        Assert.Equal(["soft_delete.start", "soft_delete.end"], _plane.Notifier.Events);
        Assert.Equal(("compute_soft_delete_instance", "Success"), (_plane.Action.Events[0].Name, _plane.Action.Events[0].Result));
    }

    [Fact]
    public async Task ADeleteThatCameBetweenIsNotOverwritten()
    {
        _plane.Row["task_state"] = TaskState.Deleting;

        var failure = await Assert.ThrowsAsync<RpcFailureException>(() => _plane.RunAsync("soft_delete_instance"));

        Assert.Equal("UnexpectedDeletingTaskStateError", failure.Failure.Class);
        Assert.Equal(("active", "deleting"), ((string?)_plane.Row["vm_state"], (string?)_plane.Row["task_state"]));
        Assert.Equal(["soft_delete.start", "soft_delete.end", "exception soft_delete_instance"], _plane.Notifier.Events);
    }
}
