using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Resources;

namespace NovaLxd.Operations.Host;

/// <summary>
/// Takes this host into or out of the scheduler's choice (nova/compute/manager.py:set_host_enabled): the service's record and the provider's trait
/// COMPUTE_STATUS_DISABLED.
/// </summary>
internal sealed class SetHostEnabled(ConductorClient conductor, ResourceTracker resources, ServiceOptions options) : IOperation<SetHostEnabled.Request, string>
{
    internal sealed record Request(bool Enabled);

    public async Task<string> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var service = await conductor.GetServiceByComputeHostAsync(context, options.Host, cancellationToken);
        if (service.Disabled == request.Enabled)
        {
            service.Disabled = !request.Enabled;
            service.DisabledReason = request.Enabled ? null : "Disabled through the host's own API";
            await conductor.SaveAsync(context, service, cancellationToken);
        }

        await resources.UpdateAsync(context, startup: false, cancellationToken);
        return request.Enabled ? "enabled" : "disabled";
    }
}
