using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>What the driver sees of a container, in Nova's power states.</summary>
internal sealed class PowerStates(IContainerDriver driver)
{
    /// <summary>NOSTATE when the container is not on this host.</summary>
    internal async Task<int> GetAsync(Instance instance, CancellationToken cancellationToken) =>
        await driver.FindAsync(Guid.Parse(instance.Uuid), cancellationToken) is { } container ? From(container.State) : PowerState.NoState;

    internal static int From(ContainerState state) => state switch
    {
        ContainerState.Running => PowerState.Running,
        ContainerState.Frozen => PowerState.Paused,
        ContainerState.Stopped => PowerState.Shutdown,
        ContainerState.Crashed => PowerState.Crashed,
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, "Not a state of a container."),
    };
}
