using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Images;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.Transfer;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>
/// What a move between hosts has that a resize on one has not: the container is copied, and the one on the source stays as it is until the owner confirms. So
/// whatever fails at the destination, the source can go on as if nothing had been.
/// </summary>
internal sealed class HostMoves(
    ConductorClient conductor, IContainerDriver driver, IContainerTransfers transfers, TransferSender sender, TransferOptions options, InstancePorts ports,
    InstancePlugging plugging, InstanceImages images, ResizeRollback rollback, ResourceTracker resources, ComputeCasts compute, ServiceHost host,
    ILogger<HostMoves> logger)
{
    /// <summary>Its own time, and not the caller's token.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    /// <summary>Why no instance can come here or leave; null: they can.</summary>
    public string? Closed => options.IsOpen
        ? null
        : $"Servers cannot be moved to or from host {host.Name}: set transfer_certificate, transfer_key and transfer_ca in section [lxd] of its configuration.";

    /// <summary>Once both ends are known.</summary>
    public static bool IsMove(Migration migration) => migration.SourceCompute != migration.DestCompute;

    /// <summary>Waits for a turn to leave this host; to be held before the guest is off.</summary>
    public Task<IDisposable> EnterAsync(CancellationToken cancellationToken) => sender.EnterAsync(cancellationToken);

    /// <summary>Copies the container, which is off, to the host that the migration names.</summary>
    /// <exception cref="TransferFailedException"/>
    public async Task SendAsync(Instance instance, Migration migration, CancellationToken cancellationToken)
    {
        await using var departure = await transfers.DepartAsync(Guid.Parse(instance.Uuid), cancellationToken);
        await sender.SendAsync(TargetOf(migration), departure, cancellationToken);
    }

    /// <summary>At the source: the destination is to keep nothing.</summary>
    public async Task AbandonAsync(Instance instance, Migration migration)
    {
        using var limit = new CancellationTokenSource(Limit);
        await TryAsync("the copy at the destination", () => sender.AbandonAsync(TargetOf(migration), Guid.Parse(instance.Uuid), limit.Token));
    }

    /// <summary>
    /// At the destination, while the guest still runs: the image below the container, if Glance gives it to the user. Where it does not, the source sends its own.
    /// </summary>
    public async Task EnsureImageAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(instance.ImageRef))
        {
            return;
        }

        try
        {
            var image = await images.DescribeAsync(context, instance.ImageRef, cancellationToken);
            await images.EnsureAsync(context, image, flavor: null, cancellationToken);
        }
        catch (Exception e) when (e is OutcomeException or OpenStackException or VirtException or FormatException or IOException)
        {
            logger.LogInformation("The image of the instance cannot be had from Glance, so its host has to send it along: {Reason}", e.Message);
        }
    }

    /// <summary>At the destination, before anything came: books and record forget the instance.</summary>
    public async Task LeaveAsync(RequestContext context, Instance instance)
    {
        using var limit = new CancellationTokenSource(Limit);
        await TryAsync("the record", async () =>
        {
            await conductor.LoadAttributesAsync(context, instance, ["system_metadata"], limit.Token);
            await conductor.DropMigrationContextAsync(context, instance, limit.Token);
            ResizeRollback.ForgetResize(instance);
            await conductor.SaveAsync(context, instance, [TaskState.ResizePrep], limit.Token);
        });
        await TryAsync("the usage", () => resources.InstanceDeletedAsync(context, instance, limit.Token));
    }

    /// <summary>Starts the container that came.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="instance">The instance.</param>
    /// <param name="wait">Whether its ports, which have just been bound to this host, are waited for as with a new one; not before messages are taken.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task StartAsync(RequestContext context, Instance instance, bool wait, CancellationToken cancellationToken)
    {
        var id = Guid.Parse(instance.Uuid);
        if (await driver.FindAsync(id, cancellationToken) is not { State: ContainerState.Running })
        {
            var networkInfo = await ports.RefreshAsync(context, instance, cancellationToken);
            await (wait
                ? plugging.PlugAsync(context, instance, networkInfo, cancellationToken)
                : plugging.PlugWithoutWaitingAsync(context, instance, networkInfo, cancellationToken));
            await driver.StartAsync(id, cancellationToken);
        }
    }

    /// <summary>
    /// At the destination: does a step, or hands the instance back to where it came from. A stop of the service leaves it to the next start.
    /// </summary>
    /// <exception cref="HandedBackException">The step failed; the instance's next state is the source's to write.</exception>
    public async Task GuardAsync(RequestContext context, Instance instance, Migration migration, Func<Task> step, CancellationToken cancellationToken)
    {
        try
        {
            await step();
        }
        catch (Exception e) when (e is UnexpectedDeletingTaskStateException && !cancellationToken.IsCancellationRequested)
        {
            await rollback.AbandonAsync(context, migration, CancellationToken.None);
            throw;
        }
        catch (Exception e) when (e is not UnexpectedTaskStateException && !cancellationToken.IsCancellationRequested)
        {
            logger.LogWarning(e, "The instance cannot be had here and goes back to {Source}: {Reason}", migration.SourceCompute, e.Message);
            throw await HandBackAsync(context, instance, migration, e);
        }
    }

    /// <summary>At the destination, when all is done: its books. They are made anew from time to time, so that a failure is none of the move.</summary>
    public Task SettleAsync(RequestContext context, Instance instance, CancellationToken cancellationToken) =>
        TryAsync("the usage", () => resources.InstanceArrivedAsync(context, instance, cancellationToken));

    /// <summary>
    /// (1) record, by which the source takes it up, and without which nothing is taken away here (2) container: two of them with the same addresses must not run
    /// (3) usage (4) the source.
    /// </summary>
    private async Task<HandedBackException> HandBackAsync(RequestContext context, Instance instance, Migration migration, Exception why)
    {
        using var limit = new CancellationTokenSource(Limit);
        var reason = FaultText.Message(why);
        try
        {
            await conductor.LoadAttributesAsync(context, instance, ["flavor", "old_flavor", "new_flavor", "system_metadata", "info_cache"], limit.Token);

            // (1)
            ResourceTracker.ApplyContext(instance, "old_");
            instance.TaskState = TaskState.ResizeReverting;
            await conductor.SaveAsync(context, instance, [TaskState.ResizeMigrated, TaskState.ResizeFinish], limit.Token);

            // (2)
            await driver.DeleteAsync(Guid.Parse(instance.Uuid), limit.Token);

            // (3)
            await resources.InstanceDeletedAsync(context, instance, limit.Token);

            // (4)
            await compute.FinishRevertResizeAsync(context, instance, migration, null, limit.Token);
            return new HandedBackException($"The server could not be started on host {host.Name} and goes back to {migration.SourceCompute}: {reason}", why);
        }
        catch (Exception e) when (e is InstanceNotFoundException or UnexpectedTaskStateException)
        {
            // It is being deleted, and what is its own goes with it.
            await rollback.AbandonAsync(context, migration, CancellationToken.None);
            throw;
        }
#pragma warning disable CA1031 // The failure that began it goes on; with this one it cannot be settled now.
        catch (Exception e)
#pragma warning restore CA1031
        {
            logger.LogError(e, "The instance could not be handed back to {Source}, where it is untouched: {Reason}", migration.SourceCompute, e.Message);
            return new HandedBackException(
                $"The server could not be started on host {host.Name} ({reason}) nor handed back to {migration.SourceCompute}, where its data are untouched. "
                + $"Restart the compute service on {host.Name}: it tries again.", why);
        }
    }

    private static TransferTarget TargetOf(Migration migration) => new(
        migration.DestCompute ?? throw new ResizeException("its migration does not say where it goes"),
        migration.DestHost ?? throw new ResizeException("its migration does not say at which address the other host is"));

    private async Task TryAsync(string what, Func<Task> step)
    {
        try
        {
            await step();
        }
#pragma warning disable CA1031 // The failure that began it is on its way up.
        catch (Exception e)
#pragma warning restore CA1031
        {
            logger.LogError(e, "A move is taken back, and this could not be: {What}: {Reason}", what, e.Message);
        }
    }
}
