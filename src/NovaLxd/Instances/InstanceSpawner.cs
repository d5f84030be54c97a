using Microsoft.Extensions.Logging;
using NovaLxd.Images;
using NovaLxd.Messaging;
using NovaLxd.Metadata;
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
    EphemeralDisks disks,
    ConfigDrives configDrives,
    InstancePlugging plugging,
    ILogger<InstanceSpawner> logger)
{
    /// <summary>(1) image (2) container, with a config drive if it wants one (3) ports, until Neutron says they are up (4) start.</summary>
    /// <exception cref="BuildAbortException">No other host would do better: image, flavor or ports are at fault.</exception>
    public async Task SpawnAsync(
        RequestContext context, Instance instance, ImageDescription image, NetworkInfo networkInfo, IReadOnlyList<InjectedFile> files, string? adminPassword,
        CancellationToken cancellationToken)
    {
        await using var undo = new Undo(logger);
        try
        {
            await CreateAsync(context, instance, image, networkInfo, files, adminPassword, undo, cancellationToken);

            // (3)
            await plugging.PlugAsync(context, instance, networkInfo, cancellationToken);

            // (4)
            await driver.StartAsync(Guid.Parse(instance.Uuid), cancellationToken);
        }
        catch (Exception e) when (e is ImageRejectedException or NoInitException)
        {
            throw new ImageUnacceptableException(image.Id, e.Message, e);
        }

        undo.Keep();
    }

    /// <summary>(1) and (2) only, for an instance that is to be off: the rest is done when it is powered on.</summary>
    /// <exception cref="BuildAbortException">As above.</exception>
    public async Task MakeAsync(
        RequestContext context, Instance instance, ImageDescription image, NetworkInfo networkInfo, IReadOnlyList<InjectedFile> files, string? adminPassword,
        CancellationToken cancellationToken)
    {
        await using var undo = new Undo(logger);
        await CreateAsync(context, instance, image, networkInfo, files, adminPassword, undo, cancellationToken);
        undo.Keep();
    }

    private async Task CreateAsync(
        RequestContext context, Instance instance, ImageDescription image, NetworkInfo networkInfo, IReadOnlyList<InjectedFile> files, string? adminPassword,
        Undo undo, CancellationToken cancellationToken)
    {
        // (1) Once for each content; builds of the same image wait for one download.
        await images.EnsureAsync(context, image, instance.Flavor, cancellationToken);

        // (2) In the place of the one a rebuild begins with, or that an interrupted build left.
        var spec = specs.From(instance, image.Key, networkInfo, files, await disks.GetAsync(context, instance, instance.Flavor, cancellationToken));
        await driver.DeleteAsync(spec.Id, cancellationToken);
        undo.Add("container", token => driver.DeleteAsync(spec.Id, token));
        var drive = await configDrives.BuildAsync(context, instance, networkInfo, files, adminPassword, cancellationToken);
        await driver.CreateAsync(spec with { Drive = drive }, cancellationToken);
    }
}
