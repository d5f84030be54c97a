using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Instances;

/// <summary>Sets instances to error after an operation that left them half done; the fault and the end of the task are the runner's.</summary>
internal sealed class InstanceErrors(ConductorClient conductor, ILogger<InstanceErrors> logger)
{
    /// <summary>Does not throw: the failure to be told is the one of the operation.</summary>
    public async Task SetAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        instance.VmState = VmState.Error;
        try
        {
            await conductor.SaveAsync(context, instance, cancellationToken);
        }
        catch (Exception e) when (e is OutcomeException or RemoteFailureException or TimeoutException)
        {
            logger.LogError(e, "The instance could not be set to error: {Reason}", e.Message);
        }
    }
}
