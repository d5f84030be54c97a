using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Images;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Build;

/// <summary>
/// <c>openstack server unshelve</c> of an instance that is on no host: the scheduler has chosen this one (nova/compute/manager.py:unshelve_instance). One
/// whose guest was kept is started by <see cref="Power.StartInstance"/>.
/// </summary>
internal sealed class UnshelveInstance(
    ConductorClient conductor,
    ResourceTracker resources,
    InstanceAllocations allocations,
    InstancePorts ports,
    InstanceImages images,
    SnapshotImages snapshots,
    InstanceSpawner spawner,
    InstanceOffloading offloading,
    IContainerDriver driver,
    PowerStates powerStates,
    INotifier notifier,
    TimeProvider time,
    ILogger<UnshelveInstance> logger) : IOperation<UnshelveInstance.Request, None>
{
    internal sealed record Request(
        Instance Instance,
        JObject? Image,
        JObject? FilterProperties = null,
        string? Node = null,
        RequestSpec? RequestSpec = null,
        IReadOnlyList<string>? AccelUuids = null) : IInstanceRequest;

    /// <summary>(1) task (2) to (4) make it (5) the image goes (6) books.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        var devices = await conductor.GetBlockDevicesAsync(context, instance.Uuid, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.Unshelve.Start with { BlockDevices = devices }, cancellationToken);

        // (1) A request that comes a second time finds another task, and leaves the guest of the first one alone.
        instance.TaskState = TaskState.Spawning;
        await conductor.SaveAsync(context, instance, [TaskState.Unshelving], cancellationToken);

        // (2) to (4)
        var image = await MakeAsync(context, request, cancellationToken);

        // (5) Later than in Nova, which deletes it before the save: until the row is saved, the image is all that a next start could go back to.
        await snapshots.DeleteShelvedAsync(context, image.Id, cancellationToken);

        // (6)
        await resources.InstanceChangedAsync(context, instance, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.Unshelve.End with { BlockDevices = devices }, cancellationToken);
        return default;
    }

    /// <summary>(2) claim (3) ports (4) container (5) save. A failure leaves the instance offloaded, on no host and without allocation.</summary>
    private async Task<ImageDescription> MakeAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        await using var undo = new Undo(logger);

        // A stop of the service leaves the row this host's, in its task: that is how the next start finds what to take back.
        void Add(string what, Func<CancellationToken, Task> inverse) =>
            undo.Add(what, token => cancellationToken.IsCancellationRequested ? Task.CompletedTask : inverse(token));

        Add("allocation", token => allocations.DeleteByForceAsync(context, instance, token));
        var image = ImageOf(request);

        // (2)
        var claim = await resources.ClaimAsync(context, instance, request.Node, cancellationToken);
        Add("claim", token => claim.AbortAsync(context, token));
        Add("state", _ => TakeBack(instance, (JObject)instance.Get("system_metadata").DeepClone(), instance.LaunchedAt));

        // (3)
        Add("ports", token => offloading.UnbindAsync(context, instance, token));
        var networkInfo = await ports.MoveHereAsync(context, instance, cancellationToken);

        // (4) Its size is not the flavor's: what the guest had of its first image did not count against its disk.
        await images.EnsureAsync(context, image, null, cancellationToken);
        undo.Add("container", token => driver.DeleteAsync(Guid.Parse(instance.Uuid), token));
        await spawner.SpawnAsync(context, instance, image, networkInfo, [], null, cancellationToken);

        // (5)
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.VmState = VmState.Active;
        instance.TaskState = null;
        instance.LaunchedAt = time.GetUtcNow();
        ShelvedKeys.Remove(instance);
        await conductor.SaveAsync(context, instance, [TaskState.Spawning], cancellationToken);
        undo.Keep();
        return image;
    }

    /// <exception cref="BuildAbortException">It was shelved without one.</exception>
    private static ImageDescription ImageOf(Request request)
    {
        try
        {
            return ImageDescription.Parse(request.Image ?? []);
        }
        catch (FormatException e)
        {
            throw new BuildAbortException($"The server cannot be unshelved on this host: {e.Message}", 400, e);
        }
    }

    /// <summary>What was not saved must not be saved along with the failure.</summary>
    private static Task TakeBack(Instance instance, JObject systemMetadata, DateTimeOffset? launchedAt)
    {
        instance.VmState = VmState.ShelvedOffloaded;
        instance.PowerState = PowerState.Shutdown;
        instance.LaunchedAt = launchedAt;
        instance.Set("system_metadata", systemMetadata);
        InstanceOffloading.Unplace(instance);
        return Task.CompletedTask;
    }
}
