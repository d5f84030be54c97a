using Microsoft.Extensions.Logging;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.OpenStack;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Periodic;

/// <summary>
/// Sees at once that a guest stopped by itself (nova/compute/manager.py:handle_lifecycle_event); without it the next sync of power states does. An event of
/// an instance that an operation is at work on waits for the instance's lock and then finds nothing to do.
/// </summary>
internal sealed class LifecycleWatcher(
    IContainerDriver driver, SyncPowerStates sync, WorkaroundOptions options, ILogger<LifecycleWatcher> logger)
{
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await foreach (var happened in driver.WatchAsync(cancellationToken))
        {
            logger.LogDebug("Container {Id}: {Kind} {Detail}", happened.Id, happened.Kind, happened.Detail);
            if (options.HandleVirtLifecycleEvents && happened.Kind is ContainerEventKind.Stopped or ContainerEventKind.Crashed)
            {
                await SyncAsync(happened, cancellationToken);
            }
        }
    }

    private async Task SyncAsync(ContainerEvent happened, CancellationToken cancellationToken)
    {
        var context = RequestContext.CreateAdmin();
        using var scope = logger.BeginScope(new Logging.LogSubject(context.RequestId));
        try
        {
            await sync.SyncAsync(context, happened.Id.ToString(), cancellationToken);
        }
        catch (Exception e) when (e is OutcomeException or OpenStackException or TimeoutException or RemoteFailureException or VirtException)
        {
            logger.LogWarning("The end of container {Id} could not be told yet: {Reason}", happened.Id, e.Message);
        }
#pragma warning disable CA1031 // Whatever it was: the ends of other guests have to be seen.
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
#pragma warning restore CA1031
        {
            logger.LogError(e, "The end of container {Id} could not be told", happened.Id);
        }
    }
}
