using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Images;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.OpenStack.Glance;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Power;

/// <summary>
/// <c>openstack server rescue</c>: the instance boots a rescue image in place of its own root, which its owner finds at /mnt/instance to mend it
/// (nova/compute/manager.py:rescue_instance). Ports, limits and name stay what they are.
/// </summary>
internal sealed class RescueInstance(
    ConductorClient conductor, IContainerDriver driver, PowerStates powerStates, InstancePower power, InstancePlugging plugging, InstancePorts ports,
    RescueImages images, GuestPassword passwords, InstanceOptions options, INotifier notifier, TimeProvider time, ILogger<RescueInstance> logger)
    : IOperation<RescueInstance.Request, None>
{
    /// <param name="Instance">To be rescued.</param>
    /// <param name="RescuePassword">Of the rescue system's administrator; never logged.</param>
    /// <param name="RescueImageRef">Null: the image that the instance was made from.</param>
    /// <param name="CleanShutdown">Whether the guest is asked before it is killed.</param>
    internal sealed record Request(Instance Instance, string? RescuePassword = null, string? RescueImageRef = null, bool CleanShutdown = true) : IInstanceRequest;

    /// <summary>(1) image (2) guest off, rescue system on (3) its password (4) save.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        context = context.Elevated();
        await conductor.LoadAttributesAsync(context, instance, ["flavor", "system_metadata"], cancellationToken);
        var networkInfo = await ports.RefreshAsync(context, instance, cancellationToken);

        // (1) While the guest still runs: an image that cannot be had does not cost it its life.
        var image = await images.FindAsync(context, instance, request.RescueImageRef, cancellationToken);
        var imageKey = await images.EnsureAsync(context, instance, image, cancellationToken);
        var phases = InstanceEvent.Rescue(request.RescueImageRef, image.Name, networkInfo);
        await notifier.InstanceAsync(context, instance, phases.Start, cancellationToken);

        // (2)
        await BootAsync(context, request, imageKey, networkInfo, cancellationToken);

        // (3)
        await SetPasswordAsync(instance, image, request.RescuePassword, cancellationToken);
        var period = AuditPeriod.Current(options.InstanceUsageAuditPeriod, time.GetUtcNow());
        await notifier.InstanceAsync(context, instance, InstanceEvent.Exists(period), cancellationToken);

        // (4)
        instance.VmState = VmState.Rescued;
        instance.TaskState = null;
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.LaunchedAt = time.GetUtcNow();
        await conductor.SaveAsync(context, instance, [TaskState.Rescuing], cancellationToken);
        await notifier.InstanceAsync(context, instance, phases.End, cancellationToken);
        return default;
    }

    /// <summary>On failure the instance is off, has its own root again, and is in error: a hard reboot brings it back.</summary>
    private async Task BootAsync(RequestContext context, Request request, string imageKey, NetworkInfo networkInfo, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        var id = Guid.Parse(instance.Uuid);
        try
        {
            await using var undo = new Undo(logger);
            await power.OffAsync(instance, request.CleanShutdown, cancellationToken);
            await driver.RescueAsync(id, imageKey, cancellationToken);
            undo.Add("the rescue", token => driver.UnrescueAsync(id, token));
            await plugging.PlugWithoutWaitingAsync(context, instance, networkInfo, cancellationToken);
            await driver.StartAsync(id, cancellationToken);
            undo.Keep();
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            logger.LogError(e, "The instance could not be rescued.");
            instance.VmState = VmState.Error;
            await conductor.SaveAsync(context, instance, cancellationToken);
            throw new InstanceNotRescuableException(instance.Uuid, $"Driver Error: {FaultText.Message(e)}", e);
        }
    }

    /// <summary>A rescue system without means to set a password is one all the same: the user's key may be all that is needed.</summary>
    private async Task SetPasswordAsync(Instance instance, Image image, string? password, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(password))
        {
            return;
        }

        try
        {
            await passwords.SetAsync(instance, GuestPassword.UserOf(image), password, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            logger.LogWarning("The rescue system's password could not be set: {Reason}", FaultText.Message(e));
        }
    }
}
