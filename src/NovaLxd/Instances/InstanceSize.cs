using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>Gives the container of an instance the size of another flavor. Whatever it cannot have is a <see cref="ResizeException"/>, and nothing has changed.</summary>
internal sealed class InstanceSize(IContainerDriver driver, ContainerSpecs specs, EphemeralDisks disks)
{
    /// <summary>Share of a disk that its file system does not need for itself.</summary>
    private const double Usable = 0.96;

    /// <summary>Refuses, while the guest still runs, what cannot be done.</summary>
    /// <exception cref="ResizeException"/>
    public async Task CheckAsync(Instance instance, Flavor from, Flavor to, CancellationToken cancellationToken)
    {
        var security = SizeOf(to, []).Security;
        try
        {
            FlavorChecks.Check(to);
        }
        catch (BuildAbortException e)
        {
            throw new ResizeException(e.Message, e);
        }

        var container = await FindAsync(instance, cancellationToken);
        var ephemeralGb = container.Spec.Disks.Sum(disk => disk.SizeBytes) >> 30;
        if (to.RootGb < from.RootGb || to.EphemeralGb < ephemeralGb)
        {
            throw new ResizeException(
                $"unable to resize disk down. Flavor {to.Name} has {to.RootGb} + {to.EphemeralGb} GiB of root and ephemeral disk, the server has {from.RootGb} + {ephemeralGb}.");
        }

        if (from.RootGb == 0 != (to.RootGb == 0))
        {
            throw new ResizeException($"its root disk was made without a limit and keeps none. Choose a flavor with a root disk of 0 GiB; {to.Name} has {to.RootGb}.");
        }

        if (container.Spec.Security.Privileged != security.Privileged)
        {
            throw new ResizeException($"flavor {to.Name} is {(security.Privileged ? "" : "not ")}for privileged containers (lxd:privileged_allowed), which the server is{(security.Privileged ? " not" : "")}.");
        }
    }

    /// <summary>Refuses, while the guest still runs, a smaller disk that its files have outgrown.</summary>
    /// <exception cref="ResizeException"/>
    public async Task CheckRoomAsync(Instance instance, Flavor to, CancellationToken cancellationToken)
    {
        var container = await FindAsync(instance, cancellationToken);
        if (SizeOf(to, []).RootDiskBytes is not { } bytes || container.Spec.RootDiskBytes is not { } now || bytes >= now)
        {
            return;
        }

        var used = (await driver.GetUsageAsync(container.Id, cancellationToken)).DiskUsedBytes;
        if (used > bytes * Usable)
        {
            throw new ResizeException(
                $"its root disk holds {used >> 20} MiB of files, which do not fit into the {to.RootGb} GiB of flavor {to.Name}. Delete files, or keep the larger flavor.");
        }
    }

    /// <summary>The container must be stopped, or have the size already.</summary>
    /// <exception cref="ResizeException"/>
    public async Task ApplyAsync(RequestContext context, Instance instance, Flavor flavor, CancellationToken cancellationToken)
    {
        var size = SizeOf(flavor, await disks.GetAsync(context, instance, flavor, cancellationToken));
        try
        {
            await driver.ResizeAsync(Guid.Parse(instance.Uuid), size, cancellationToken);
        }
        catch (Exception e) when (e is ContainerStateException or OutOfSpaceException or ArgumentException)
        {
            throw new ResizeException(e.Message, e);
        }
        catch (ContainerNotFoundException)
        {
            throw InstanceNotFoundException.For(instance.Uuid);
        }
    }

    /// <summary>Whether a container has the size of a flavor.</summary>
    public async Task<bool> HasAsync(RequestContext context, Instance instance, ContainerInfo container, Flavor flavor, CancellationToken cancellationToken) =>
        SizeOf(flavor, await disks.GetAsync(context, instance, flavor, cancellationToken)) is var wanted
        && container.Spec.RootDiskBytes == wanted.RootDiskBytes && container.Spec.Disks.SequenceEqual(wanted.Disks) && container.Spec.Limits == wanted.Limits && container.Spec.Security.Nesting == wanted.Security.Nesting;

    /// <summary>The instance as a row: what it has by its flavor.</summary>
    public static void SetFlavor(Instance instance, Flavor flavor)
    {
        instance.InstanceTypeId = flavor.Id;
        instance.MemoryMb = flavor.MemoryMb;
        instance.Vcpus = flavor.Vcpus;
        instance.RootGb = flavor.RootGb;
        instance.EphemeralGb = flavor.EphemeralGb;
        instance.Flavor = flavor;
    }

    private ContainerSize SizeOf(Flavor flavor, IReadOnlyList<DiskSpec> ephemeral)
    {
        try
        {
            return specs.SizeOf(flavor, ephemeral);
        }
        catch (BuildAbortException e)
        {
            throw new ResizeException(e.Message, e);
        }
    }

    private async Task<ContainerInfo> FindAsync(Instance instance, CancellationToken cancellationToken) =>
        await driver.FindAsync(Guid.Parse(instance.Uuid), cancellationToken) ?? throw InstanceNotFoundException.For(instance.Uuid);
}
