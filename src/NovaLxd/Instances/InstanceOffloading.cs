using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>
/// Takes a shelved instance off this host, after which it is on none: its guest is an image in Glance (nova/compute/manager.py:_shelve_offload_instance).
/// Every step may have been done before: an interrupted one is finished by doing all of it again.
/// </summary>
internal sealed class InstanceOffloading(
    ConductorClient conductor,
    IContainerDriver driver,
    InstancePower power,
    PowerStates powerStates,
    InstancePorts ports,
    InstanceAllocations allocations,
    ResourceTracker resources,
    ControlPlane plane,
    INotifier notifier,
    ILogger<InstanceOffloading> logger)
{
    /// <summary>(1) power off (2) ports (3) container (4) allocation (5) state (6) the host's books, and the row.</summary>
    /// <param name="clean">Whether a guest that still runs is asked to shut down.</param>
    /// <exception cref="InstanceInvalidStateException">There is no image of the guest, which would be lost.</exception>
    public async Task OffloadAsync(RequestContext context, Instance instance, bool clean, CancellationToken cancellationToken)
    {
        if (ShelvedKeys.ImageOf(instance) is null)
        {
            throw new InstanceInvalidStateException(instance.Uuid, "vm_state", $"{instance.VmState}, and it was shelved into no image", "offload");
        }

        var devices = await conductor.GetBlockDevicesAsync(context, instance.Uuid, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.ShelveOffload.Start with { BlockDevices = devices }, cancellationToken);

        // (1)
        await power.OffAsync(instance, clean, cancellationToken);
        var state = await powerStates.GetAsync(instance, cancellationToken);

        // (2)
        await ports.RefreshAsync(context, instance, cancellationToken);
        await UnbindAsync(context, instance, cancellationToken);

        // (3)
        await driver.DeleteAsync(Guid.Parse(instance.Uuid), cancellationToken);

        // (4) Before the state says so: whoever waits for that may schedule the next instance at once.
        await allocations.DeleteByForceAsync(context, instance, cancellationToken);

        // (5)
        instance.PowerState = state == PowerState.NoState ? PowerState.Shutdown : state;
        instance.VmState = VmState.ShelvedOffloaded;
        instance.TaskState = null;
        await conductor.SaveAsync(context, instance, [TaskState.Shelving, TaskState.ShelvingOffloading], cancellationToken);

        // (6)
        await LeaveAsync(context, instance, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.ShelveOffload.End with { BlockDevices = devices }, cancellationToken);
    }

    /// <summary>(6) Also for an instance that is offloaded by its state while its row still names this host.</summary>
    public async Task LeaveAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        await resources.InstanceDeletedAsync(context, instance, cancellationToken);
        Unplace(instance);
        await conductor.SaveAsync(context, instance, cancellationToken);
    }

    /// <summary>
    /// An unshelve that was interrupted: (1) what there is of a container, which has no more than the image (2) ports and allocation (3) the row, so that the
    /// instance is offloaded again and can be unshelved as before.
    /// </summary>
    public async Task TakeBackUnshelveAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        // (1)
        await driver.DeleteAsync(Guid.Parse(instance.Uuid), cancellationToken);

        // (2)
        await UnbindAsync(context, instance, cancellationToken);
        try
        {
            await allocations.DeleteByForceAsync(context, instance, cancellationToken);
        }
        catch (OpenStackException e)
        {
            logger.LogWarning("The allocation stays until the host's resources are reported next: {Reason}", e.Message);
        }

        // (3)
        instance.TaskState = null;
        Unplace(instance);
        await conductor.SaveAsync(context, instance, [TaskState.Spawning], cancellationToken);
    }

    /// <summary>The ports leave the host, where the control plane does so; before 2023.1 they stay bound until the instance is on another.</summary>
    public Task UnbindAsync(RequestContext context, Instance instance, CancellationToken cancellationToken) =>
        plane.UnbindsShelvedPorts ? ports.UnbindAsync(context, instance.NetworkInfo, cancellationToken) : Task.CompletedTask;

    /// <summary>On no host.</summary>
    internal static void Unplace(Instance instance)
    {
        instance.PlaceOn(null, null, null);
        instance.LaunchedOn = null;
        instance.AvailabilityZone = null;
    }
}
