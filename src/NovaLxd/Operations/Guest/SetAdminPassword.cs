using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Operations.Guest;

/// <summary><c>openstack server set --password</c> (nova/compute/manager.py:set_admin_password).</summary>
internal sealed class SetAdminPassword(ConductorClient conductor, PowerStates powerStates, GuestPassword passwords, ILogger<SetAdminPassword> logger)
    : IOperation<SetAdminPassword.Request, None>
{
    /// <param name="Instance">Whose administrator.</param>
    /// <param name="NewPass">Never logged, and in no notification.</param>
    internal sealed record Request(Instance Instance, string NewPass) : IInstanceRequest;

    /// <summary>(1) only a guest that runs can do it (2) set (3) save. A guest that cannot be served is released from its task before the caller hears of it.</summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        context = context.Elevated();

        // (1)
        if (await powerStates.GetAsync(instance, cancellationToken) != PowerState.Running)
        {
            await EndTaskAsync(context, instance, cancellationToken);
            throw new InstancePasswordSetFailedException(instance.Uuid, $"instance {instance.Uuid} is not running");
        }

        // (2)
        try
        {
            // Messages may leave out what the image says of its administrator.
            await conductor.LoadAttributesAsync(context, instance, ["system_metadata"], cancellationToken);
            await passwords.SetAsync(instance, GuestPassword.UserOf(instance), request.NewPass, cancellationToken);
        }
        catch (SetAdminPasswordNotSupportedException)
        {
            await EndTaskAsync(context, instance, cancellationToken);
            throw;
        }
        catch (Exception e) when (e is not (OutcomeException or OperationCanceledException))
        {
            // What nobody foresaw may tell more than its reader is to know.
            logger.LogError(e, "Setting the administrator's password failed.");
            throw new InstancePasswordSetFailedException(instance.Uuid, "error setting admin password");
        }

        // (3)
        logger.LogInformation("The administrator's password was set.");
        await EndTaskAsync(context, instance, cancellationToken);
        return default;
    }

    private async Task EndTaskAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        instance.TaskState = null;
        await conductor.SaveAsync(context, instance, [TaskState.UpdatingPassword], cancellationToken);
    }
}
