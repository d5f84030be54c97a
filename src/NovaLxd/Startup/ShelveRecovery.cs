using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.Outcomes;

namespace NovaLxd.Startup;

/// <summary>
/// Instances that were being shelved, offloaded or unshelved when the service was stopped. Nova leaves the first two busy for ever and makes the third an error;
/// here they go back to where they were, or on to where they were going.
/// </summary>
internal sealed class ShelveRecovery(
    ConductorClient conductor, InstancePower power, InstanceOffloading offloading, ServiceOptions options, ILogger<ShelveRecovery> logger)
{
    public async Task RunAsync(RecoveryStep step, RequestContext context, Instance instance, int state, CancellationToken cancellationToken)
    {
        switch (step)
        {
            case RecoveryStep.TakeBackShelve:
                await TakeBackShelveAsync(context, instance, state, cancellationToken);
                break;
            case RecoveryStep.Offload:
                await OffloadAsync(context, instance, cancellationToken);
                break;
            case RecoveryStep.CompleteOffload:
                await offloading.LeaveAsync(context, instance, cancellationToken);
                break;
            case RecoveryStep.TakeBackUnshelve:
                logger.LogWarning("The service was stopped while it unshelved the instance, which is offloaded again.");
                await offloading.TakeBackUnshelveAsync(context, instance, cancellationToken);
                await TellAsync(context, instance, "The unshelving was interrupted by a stop of the compute service: unshelve the server again.", cancellationToken);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(step), step, "Not a step of these.");
        }
    }

    /// <summary>A guest that ran before runs again. Its image cannot be gone on with: nobody knows any more which it was.</summary>
    private async Task TakeBackShelveAsync(RequestContext context, Instance instance, int state, CancellationToken cancellationToken)
    {
        logger.LogWarning("The service was stopped while it shelved the instance, which goes back to what it was.");
        if (state != PowerState.NoState && instance.PowerState == PowerState.Running)
        {
            await power.OnAsync(context, instance, instance.NetworkInfo, cancellationToken);
        }

        instance.TaskState = null;
        await conductor.SaveAsync(context, instance, cancellationToken);
        await TellAsync(
            context, instance, "The shelving was interrupted by a stop of the compute service: shelve the server again, and delete the image that was not finished.",
            cancellationToken);
    }

    /// <summary>A neighbour that is away is no reason to call the instance an error, which could not be unshelved.</summary>
    private async Task OffloadAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        logger.LogInformation("The service was stopped while it offloaded the shelved instance; that is finished now.");
        try
        {
            await offloading.OffloadAsync(context, instance, clean: false, cancellationToken);
        }
        catch (OpenStackException e)
        {
            logger.LogError("The shelved instance could not be offloaded: {Reason}", e.Message);
            instance.TaskState = null;
            await conductor.SaveAsync(context, instance, cancellationToken);
            await TellAsync(context, instance, $"The server was shelved and could not be offloaded, which can be asked for again: {e.Message}", cancellationToken);
        }
    }

    private Task TellAsync(RequestContext context, Instance instance, string message, CancellationToken cancellationToken) =>
        conductor.CreateAsync(context, InstanceFaults.From(new BuildAbortException(message, 500), instance.Uuid, options.Host), cancellationToken);
}
