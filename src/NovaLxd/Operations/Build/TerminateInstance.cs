using Microsoft.Extensions.Logging;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Operations.Build;

/// <summary>Deletes an instance (nova/compute/manager.py:terminate_instance).</summary>
internal sealed class TerminateInstance(InstanceTeardown teardown, InstanceEvents events, InstanceLocks locks, InstanceErrors errors, ILogger<TerminateInstance> logger)
    : IOperation<TerminateInstance.Request, None>
{
    internal sealed record Request(Instance Instance, NovaList<BlockDeviceMapping>? Bdms = null) : IInstanceRequest;

    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        // A build that waits for Neutron is told at once, and not only when it lets the lock go.
        events.Cancel(Guid.Parse(request.Instance.Uuid));
        using var held = await locks.AcquireAsync(request.Instance.Uuid, cancellationToken);
        try
        {
            await teardown.DeleteAsync(context, request.Instance, cancellationToken);
            logger.LogInformation("Instance deleted.");
        }
        catch (InstanceNotFoundException)
        {
            logger.LogInformation("Instance disappeared during its delete: somebody else finished it.");
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The user sees an error and may delete again; the runner clears the task state and records the fault.
            await errors.SetAsync(context, request.Instance, cancellationToken);
            throw;
        }

        return default;
    }
}
