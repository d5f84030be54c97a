using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>The end of a rescue, wanted or not.</summary>
internal sealed class InstanceRescue(
    ConductorClient conductor, IContainerDriver driver, PowerStates powerStates, InstancePower power, ServiceHost host, ILogger<InstanceRescue> logger)
{
    /// <summary>
    /// Ends a rescue system and throws it away; nothing is done to a container that is not rescued. It is not asked: nothing of it is kept, and what was written
    /// to the instance's own root is on its disk when the last process is gone.
    /// </summary>
    public async Task EndAsync(Instance instance, CancellationToken cancellationToken)
    {
        var id = Guid.Parse(instance.Uuid);
        if (await driver.FindAsync(id, cancellationToken) is { Rescued: true })
        {
            await power.OffAsync(instance, clean: false, cancellationToken);
            await driver.UnrescueAsync(id, cancellationToken);
        }
    }

    /// <summary>A rescue that the end of the service cut short: the instance is what it was before, and its owner is told to ask again. Safe to repeat.</summary>
    public async Task TakeBackAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        logger.LogWarning("The service was stopped while it rescued the instance; the rescue is taken back.");
        await EndAsync(instance, cancellationToken);
        if (instance.VmState == VmState.Active)
        {
            await power.OnAsync(context, instance, instance.NetworkInfo, cancellationToken);
        }

        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.TaskState = null;
        await conductor.SaveAsync(context, instance, [TaskState.Rescuing], cancellationToken);
        var why = new InstanceNotRescuableException(instance.Uuid, "the rescue was interrupted by a stop of the compute service and has been taken back; rescue it again");
        await conductor.CreateAsync(context, InstanceFaults.From(why, instance.Uuid, host.Name), cancellationToken);
    }
}
