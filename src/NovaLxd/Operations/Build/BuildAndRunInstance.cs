using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Images;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Metadata;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Build;

/// <summary>Builds an instance that the scheduler placed here (nova/compute/manager.py:build_and_run_instance; the failures are <see cref="BuildFailures"/>').</summary>
internal sealed class BuildAndRunInstance(
    ConductorClient conductor,
    ResourceTracker resources,
    ServerGroupPolicy serverGroups,
    InstancePorts ports,
    DeviceTags tags,
    InstanceSpawner spawner,
    ConfigDrives configDrives,
    BuildFailures failures,
    IContainerDriver driver, PowerStates powerStates,
    INotifier notifier,
    TimeProvider time,
    ILogger<BuildAndRunInstance> logger) : IOperation<BuildAndRunInstance.Request, None>
{
    internal sealed record Request(
        Instance Instance,
        JObject Image,
        RequestSpec RequestSpec,
        JObject FilterProperties,
        NovaList<NetworkRequest>? RequestedNetworks = null,
        IReadOnlyList<string>? SecurityGroups = null,
        NovaList<BlockDeviceMapping>? BlockDeviceMapping = null,
        IReadOnlyList<IReadOnlyList<string>>? InjectedFiles = null,
        string? AdminPassword = null,
        string? Node = null,
        JObject? Limits = null,
        JArray? HostList = null) : IInstanceRequest;

    /// <summary>(1) take over (2) claim (3) ports (4) disks (5) container (6) save.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        if (await IsBuiltAsync(context, instance, cancellationToken) || !await TakeOverAsync(context, instance, cancellationToken))
        {
            return default;
        }

        await using var undo = new Undo(logger);
        try
        {
            await BuildAsync(context, request, undo, cancellationToken);
            undo.Keep();
            resources.BuildSucceeded();
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            await undo.DisposeAsync();
            await failures.HandleAsync(context, request, e, cancellationToken);
        }

        return default;
    }

    /// <summary>
    /// A request that comes a second time under another id (a sender that gave up waiting, an operator's replay) must not replace the guest that the first one
    /// made: the row's task_state, by which <see cref="TakeOverAsync"/> is guarded, is that of a server which nobody is working on.
    /// </summary>
    private async Task<bool> IsBuiltAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        try
        {
            var row = await conductor.GetInstanceAsync(context, instance.Uuid, [], cancellationToken);
            if (row.VmState == VmState.Building)
            {
                return false;
            }

            logger.LogWarning("The instance is not built: it has been already, and is {VmState} on host {Host}.", row.VmState, row.Host ?? "none");
        }
        catch (InstanceNotFoundException e)
        {
            logger.LogInformation("The instance is not built: {Reason}", e.Message);
        }

        return true;
    }

    /// <summary>(1) False: deleted or taken by somebody else before we began.</summary>
    private async Task<bool> TakeOverAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        instance.VmState = VmState.Building;
        instance.TaskState = null;
        try
        {
            await conductor.SaveAsync(context, instance, [TaskState.Scheduling, null], cancellationToken);
            return true;
        }
        catch (Exception e) when (e is InstanceNotFoundException or UnexpectedTaskStateException)
        {
            logger.LogInformation("The instance is not built: {Reason}", e.Message);
            return false;
        }
    }

    private async Task BuildAsync(RequestContext context, Request request, Undo undo, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        var started = time.GetTimestamp();
        instance.SystemMetadata["boot_roles"] = string.Join(',', context.Roles);
        var image = BuildChecks.Image(request);
        var files = UserFiles.Decode(instance.Uuid, request.InjectedFiles);
        BuildChecks.Check(request, image);
        await notifier.InstanceAsync(context, instance, InstanceEvent.CreateStart(image.Name), cancellationToken);

        // (2) Before anything is made, so that a host that turns out to be full reschedules for free. The claim saves host and node: only then does
        // the API deliver Neutron's events for this instance.
        var claim = await resources.ClaimAsync(context, instance, request.Node, cancellationToken);

        // A stop of the service leaves the row this host's, in its task: that is how the next start finds the build and tells the user.
        undo.Add("claim", token => cancellationToken.IsCancellationRequested ? Task.CompletedTask : claim.AbortAsync(context, token));
        await serverGroups.CheckAsync(context, instance, request.RequestSpec, cancellationToken);

        // (3)
        var networkInfo = await ports.PrepareAsync(context, instance, request.RequestSpec, request.RequestedNetworks, request.SecurityGroups ?? [], cancellationToken);

        // (4)
        await DiskNames.AssignAsync(conductor, context, instance, request.BlockDeviceMapping, cancellationToken);
        if (HasTags(request))
        {
            await tags.UpdateAsync(context, instance, cancellationToken);
        }

        instance.VmState = VmState.Building;
        instance.TaskState = TaskState.BlockDeviceMapping;
        await conductor.SaveAsync(context, instance, cancellationToken);
        instance.TaskState = TaskState.Spawning;
        await conductor.SaveAsync(context, instance, [TaskState.BlockDeviceMapping], cancellationToken);

        // (5)
        var id = Guid.Parse(instance.Uuid);
        undo.Add("container", token => driver.DeleteAsync(id, token));
        await spawner.SpawnAsync(context, instance, image, networkInfo, files, request.AdminPassword, cancellationToken);

        // (6)
        await SaveActiveAsync(context, instance, networkInfo, cancellationToken);
        await resources.InstanceChangedAsync(context, instance, cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.CreateEnd(networkInfo), cancellationToken);
        logger.LogInformation("Took {Seconds:0.00} seconds to build instance.", time.GetElapsedTime(started).TotalSeconds);
    }

    private static bool HasTags(Request request) =>
        request.RequestedNetworks?.Objects.Any(network => network.Tag is { Length: > 0 }) == true
        || request.BlockDeviceMapping?.Objects.Any(disk => disk.Tag is { Length: > 0 }) == true;

    private async Task SaveActiveAsync(RequestContext context, Instance instance, NetworkInfo networkInfo, CancellationToken cancellationToken)
    {
        instance.SystemMetadata.Remove(InstancePorts.AllocatedKey);
        ports.SetAccessAddresses(instance, networkInfo);
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.VmState = VmState.Active;
        instance.TaskState = null;
        configDrives.Record(instance);
        instance.LaunchedAt = time.GetUtcNow();
        await conductor.SaveAsync(context, instance, [TaskState.Spawning], cancellationToken);
    }
}
