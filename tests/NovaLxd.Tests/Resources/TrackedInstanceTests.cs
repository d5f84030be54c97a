using NovaLxd.Objects;
using NovaLxd.Resources;

namespace NovaLxd.Tests.Resources;

/// <summary>What an instance holds of the host while it is resized.</summary>
public sealed class TrackedInstanceTests
{
    private readonly Instance _instance = NovaObject.Clone(Recorded.Object<Instance>("zed", "flavor"));
    private readonly Flavor _small;
    private readonly Flavor _large;

    public TrackedInstanceTests()
    {
        _small = Make(1, 1, 64, 1);
        _large = Make(2, 4, 512, 10);
        _instance.VmState = VmState.Active;
        _instance.TaskState = null;
        _instance.Flavor = _small;
        _instance.InstanceTypeId = 1;
        _instance.OldFlavor = null;
        _instance.NewFlavor = null;
    }

    [Theory]
    [InlineData(TaskState.ResizePrep)]
    [InlineData(TaskState.ResizeMigrating)]
    [InlineData(TaskState.ResizeMigrated)]
    public void OnTheWayToItsNewFlavorItHoldsThatToo(string task)
    {
        (_instance.NewFlavor, _instance.TaskState) = (_large, task);

        Assert.Equal(new ResourceUsage(5, 576, 11), TrackedInstance.From(_instance).Total);
    }

    [Theory]
    [InlineData(VmState.Active, TaskState.ResizeFinish)]
    [InlineData(VmState.Resized, null)]
    [InlineData(VmState.Resized, TaskState.ResizeReverting)]
    public void UntilItIsConfirmedItHoldsTheOldOneToo(string vmState, string? task)
    {
        (_instance.OldFlavor, _instance.NewFlavor, _instance.Flavor, _instance.InstanceTypeId) = (_small, _large, _large, 2);
        (_instance.VmState, _instance.TaskState) = (vmState, task);

        var tracked = TrackedInstance.From(_instance);

        Assert.Equal((new ResourceUsage(4, 512, 10), new ResourceUsage(1, 64, 1)), (tracked.Usage, tracked.Held));
    }

    [Fact]
    public void OtherwiseItHoldsItsFlavorAlone()
    {
        Assert.Equal(new ResourceUsage(1, 64, 1), TrackedInstance.From(_instance).Total);

        // What a resize that failed long ago left in the record.
        _instance.NewFlavor = _large;
        Assert.Null(TrackedInstance.From(_instance).Held);

        _instance.Unset("new_flavor");
        _instance.VmState = VmState.Resized;
        Assert.Null(TrackedInstance.From(_instance).Held);
    }

    private static Flavor Make(int id, int vcpus, int memory, int disk)
    {
        var flavor = NovaObject.Clone(Recorded.Object<Flavor>("zed"));
        (flavor.Id, flavor.Vcpus, flavor.MemoryMb, flavor.RootGb, flavor.EphemeralGb, flavor.Swap) = (id, vcpus, memory, disk, 0, 0);
        return flavor;
    }
}
