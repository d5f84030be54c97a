using Microsoft.Extensions.Logging;
using NovaLxd.Images;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>
/// Makes an instance run on this host out of an image and its ports: what build, rebuild, unshelve and evacuate have in common. On failure nothing of it is
/// left on the host; ports, volumes and claims are the caller's.
/// </summary>
internal sealed class InstanceSpawner(
    IContainerDriver driver,
    InstanceImages images,
    ContainerSpecs specs,
    InstancePlugging plugging,
    ILogger<InstanceSpawner> logger)
{
    /// <summary>(1) image (2) container (3) ports, until Neutron says they are up (4) start.</summary>
    /// <exception cref="BuildAbortException">No other host would do better: image, flavor or ports are at fault.</exception>
    public async Task SpawnAsync(
        RequestContext context, Instance instance, ImageDescription image, NetworkInfo networkInfo, IReadOnlyList<InjectedFile> files,
        CancellationToken cancellationToken)
    {
        var id = Guid.Parse(instance.Uuid);
        await using var undo = new Undo(logger);
        try
        {
            // (1) Once for each content; builds of the same image wait for one download.
            await images.EnsureAsync(context, image, instance.Flavor, cancellationToken);

            // (2) A build that was interrupted on this host may have left a container of the same instance.
            await driver.DeleteAsync(id, cancellationToken);
            undo.Add("container", token => driver.DeleteAsync(id, token));
            await driver.CreateAsync(specs.From(instance, image.Key, files), cancellationToken);

            // (3)
            await plugging.PlugAsync(context, instance, networkInfo, cancellationToken);

            // (4)
            await driver.StartAsync(id, cancellationToken);
        }
        catch (Exception e) when (e is ImageRejectedException or NoInitException)
        {
            throw new ImageUnacceptableException(image.Id, e.Message, e);
        }

        undo.Keep();
    }
}
