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
/// Makes an instance anew where it is, from its image or from another one (nova/compute/manager.py:rebuild_instance). Its ports, addresses and allocation
/// stay, so nothing is claimed; its root file system does not. Nova has thrown that away before it asks for the new image; here whatever fails before leaves the guest,
/// its state and its image as they were.
/// </summary>
internal sealed class RebuildInstance(
    ConductorClient conductor,
    InstanceImages images,
    InstancePorts ports,
    InstancePower power,
    PowerStates powerStates,
    ContainerSpecs specs,
    InstanceSpawner spawner,
    InstanceStop stop,
    InstanceErrors errors,
    ResourceTracker resources,
    Evacuation evacuation,
    InstanceOptions instanceOptions,
    INotifier notifier,
    TimeProvider time,
    ILogger<RebuildInstance> logger) : IOperation<RebuildInstance.Request, None>
{
    private static readonly string[] Attributes = ["flavor", "metadata", "system_metadata", "info_cache"];

    internal sealed record Request(
        Instance Instance,
        string? ImageRef = null,
        string? OrigImageRef = null,
        JObject? OrigSysMetadata = null,
        IReadOnlyList<IReadOnlyList<string>>? InjectedFiles = null,
        string? NewPass = null,
        NovaList<BlockDeviceMapping>? Bdms = null,
        bool Recreate = false,
        bool? OnSharedStorage = null,
        bool PreserveEphemeral = false,
        Migration? Migration = null,
        string? ScheduledNode = null,
        JObject? Limits = null,
        RequestSpec? RequestSpec = null,
        IReadOnlyList<string>? AccelUuids = null,
        bool ReimageBootVolume = false,
        string? TargetState = null) : IInstanceRequest
    {
        /// <summary>Null: the sender did not say.</summary>
        internal IReadOnlyList<BlockDeviceMapping>? Disks => Bdms?.Objects;
    }

    /// <summary>
    /// (1) checks (2) take over (3) image (4) shutdown (5) ports: until here all of it is taken back (6) container (7) save (8) stopped again, if it was.
    /// </summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        if (request.Recreate)
        {
            await evacuation.RunAsync(context, request, cancellationToken);
            return default;
        }

        try
        {
            await RebuildAsync(context, request, cancellationToken);
        }
        catch (Exception e) when (IsDeletion(e))
        {
            logger.LogInformation("The instance was deleted while it was rebuilt: {Reason}", e.Message);
            await NotifyErrorAsync(context, request, e, cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            await NotifyErrorAsync(context, request, e, cancellationToken);
            throw;
        }

        return default;
    }

    private async Task RebuildAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        var stopped = VmState.Stopped == instance.VmState || VmState.Stopped == request.TargetState;
        await conductor.LoadAttributesAsync(context, instance, Attributes, cancellationToken);
        await using var undo = new Undo(logger);
        Ingredients ingredients;
        try
        {
            ingredients = await PrepareAsync(context, request, undo, cancellationToken);
        }
        catch (Exception e) when (IsDeletion(e))
        {
            undo.Keep(); // Nobody wants it to run again.
            throw;
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            KeepOldImage(request);
            throw;
        }

        undo.Keep();
        try
        {
            await MakeAsync(context, request, ingredients, stopped, cancellationToken);
        }
        catch (Exception e) when (!IsDeletion(e) && !cancellationToken.IsCancellationRequested)
        {
            await errors.SetAsync(context, instance, cancellationToken);
            throw;
        }
    }

    private async Task<Ingredients> PrepareAsync(RequestContext context, Request request, Undo undo, CancellationToken cancellationToken)
    {
        // (1)
        var instance = request.Instance;
        RebuildChecks.Check(request);
        var files = UserFiles.Decode(instance.Uuid, request.InjectedFiles);
        var image = await images.DescribeAsync(context, request.ImageRef!, cancellationToken);
        ImageChecks.Check(image, instance.Flavor);
        specs.From(instance, image.Key, instance.NetworkInfo, files, []); // The operator may have forbidden since what the flavor asks for.

        // (2) What is told of the time before is told with the image of that time.
        var period = AuditPeriod.Current(instanceOptions.InstanceUsageAuditPeriod, time.GetUtcNow());
        await notifier.InstanceAsync(context, instance, InstanceEvent.Exists(period, request.OrigImageRef, request.OrigSysMetadata), cancellationToken);
        await notifier.InstanceAsync(context, instance, InstanceEvent.RebuildStart(image.Name) with { BlockDevices = request.Disks }, cancellationToken);
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.TaskState = TaskState.Rebuilding;
        await conductor.SaveAsync(context, instance, [TaskState.Rebuilding], cancellationToken);

        // (3)
        await images.EnsureAsync(context, image, instance.Flavor, cancellationToken);

        // (4)
        if (instance.PowerState is PowerState.Running or PowerState.Paused)
        {
            undo.Add("the shutdown", token => power.OnAsync(context, instance, instance.NetworkInfo, token));
        }

        await power.OffAsync(instance, clean: true, cancellationToken);

        // (5) Neutron's word, and only now: a port that came up before the shutdown will not be reported once more.
        var networkInfo = await ports.RefreshAsync(context, instance, cancellationToken);
        instance.TaskState = TaskState.RebuildBlockDeviceMapping;
        await conductor.SaveAsync(context, instance, [TaskState.Rebuilding], cancellationToken);
        instance.TaskState = TaskState.RebuildSpawning;
        await conductor.SaveAsync(context, instance, [TaskState.RebuildBlockDeviceMapping], cancellationToken);
        return new Ingredients(image, networkInfo, files);
    }

    private async Task MakeAsync(RequestContext context, Request request, Ingredients ingredients, bool stopped, CancellationToken cancellationToken)
    {
        // (6) Nova starts what is to be off, and kills it in the middle of its first boot, which some guests do not get over.
        var instance = request.Instance;
        var (image, networkInfo, files) = ingredients;
        await (stopped
            ? spawner.MakeAsync(context, instance, image, networkInfo, files, request.NewPass, cancellationToken)
            : spawner.SpawnAsync(context, instance, image, networkInfo, files, request.NewPass, cancellationToken));

        // (7)
        instance.PowerState = await powerStates.GetAsync(instance, cancellationToken);
        instance.VmState = VmState.Active;
        instance.TaskState = null;
        instance.LaunchedAt = time.GetUtcNow();
        await conductor.SaveAsync(context, instance, [TaskState.RebuildSpawning], cancellationToken);

        // (8)
        if (stopped)
        {
            logger.LogInformation("The instance was stopped and is so again.");
            await stop.StopAgainAsync(context, instance, cancellationToken);
        }

        await resources.InstanceChangedAsync(context, instance, cancellationToken);
        await notifier.InstanceAsync(
            context, instance, InstanceEvent.RebuildEnd(image.Name, networkInfo) with { BlockDevices = request.Disks }, cancellationToken);
        logger.LogInformation("The instance was rebuilt from image {Image}.", image.Id);
    }

    /// <summary>Who deletes the instance has the last word; that is no failure.</summary>
    private static bool IsDeletion(Exception e) => e is InstanceNotFoundException or UnexpectedDeletingTaskStateException;

    private Task NotifyErrorAsync(RequestContext context, Request request, Exception failure, CancellationToken cancellationToken) => notifier.InstanceAsync(
        context, request.Instance, InstanceEvent.Rebuild.Error(failure) with { BlockDevices = request.Disks }, cancellationToken);

    /// <summary>The API has put the new image into the row already; the guest keeps the old one. The runner saves it together with the end of the task.</summary>
    private static void KeepOldImage(Request request)
    {
        if (request.OrigImageRef is { } image)
        {
            request.Instance.ImageRef = image;
        }

        if (request.OrigSysMetadata is { Count: > 0 } systemMetadata)
        {
            request.Instance.Set("system_metadata", systemMetadata.DeepClone());
        }
    }

    /// <summary>What the new guest is made of.</summary>
    private sealed record Ingredients(ImageDescription Image, NetworkInfo NetworkInfo, IReadOnlyList<InjectedFile> Files);
}
