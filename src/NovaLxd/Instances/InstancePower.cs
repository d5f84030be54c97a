using System.Globalization;
using Microsoft.Extensions.Logging;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>Powers the container of an instance on and off.</summary>
internal sealed class InstancePower(IContainerDriver driver, InstancePlugging plugging, InstanceOptions options, ILogger<InstancePower> logger)
{
    /// <summary>The image may ask for more or less time to shut down (property os_shutdown_timeout, seconds).</summary>
    private const string ImageShutdownTimeout = "image_os_shutdown_timeout";

    /// <summary>Plugs the ports and starts the container; nothing happens to one that runs, and a frozen one is thawed.</summary>
    public async Task OnAsync(RequestContext context, Instance instance, NetworkInfo networkInfo, CancellationToken cancellationToken)
    {
        var id = Guid.Parse(instance.Uuid);
        var container = await driver.FindAsync(id, cancellationToken) ?? throw InstanceNotFoundException.For(id);
        switch (container.State)
        {
            case ContainerState.Running:
                return;
            case ContainerState.Frozen:
                await driver.UnfreezeAsync(id, cancellationToken);
                return;
            default:
                if (container.Rescued && instance.VmState != VmState.Rescued)
                {
                    // An administrator has reset its state, or its unrescue failed: it is itself that it boots now.
                    await driver.UnrescueAsync(id, cancellationToken);
                }

                await plugging.PlugWithoutWaitingAsync(context, instance, networkInfo, cancellationToken);
                await driver.StartAsync(id, cancellationToken);
                return;
        }
    }

    /// <param name="clean">Whether the guest is asked first and given <c>shutdown_timeout</c>.</param>
    /// <exception cref="InstancePowerOffFailureException">Processes are left that cannot be killed.</exception>
    public async Task OffAsync(Instance instance, bool clean, CancellationToken cancellationToken)
    {
        var id = Guid.Parse(instance.Uuid);
        try
        {
            if (!await driver.StopAsync(id, clean ? Grace(instance) : TimeSpan.Zero, cancellationToken) && clean)
            {
                logger.LogWarning("The guest did not shut down within {Grace} and was killed.", Grace(instance));
            }
        }
        catch (ContainerNotFoundException)
        {
            logger.LogInformation("The instance has no container here: it is off already.");
        }
        catch (ContainerStateException e)
        {
            throw new InstancePowerOffFailureException(e.Message, e);
        }
    }

    public TimeSpan Grace(Instance instance) =>
        int.TryParse(instance.SystemMetadata.Find(ImageShutdownTimeout), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            ? TimeSpan.FromSeconds(seconds)
            : options.ShutdownTimeout;
}
