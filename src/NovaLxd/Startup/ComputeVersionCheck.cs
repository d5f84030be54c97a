using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Resources;

namespace NovaLxd.Startup;

/// <summary>
/// No service of a release starts beside compute services of one too old for it (nova/utils.py:raise_if_old_compute). This host's own record counts as
/// Nova has it: a host that skipped releases is told so before it touches its instances.
/// </summary>
internal sealed class ComputeVersionCheck(
    ConductorClient conductor, ControlPlane controlPlane, WorkaroundOptions workarounds, ILogger<ComputeVersionCheck> logger)
{
    /// <exception cref="TooOldComputeServiceException">There is such a service, and the operator has not said that it may be.</exception>
    public async Task EnsureAsync(RequestContext context, CancellationToken cancellationToken)
    {
        var lowest = await conductor.GetMinimumServiceVersionAsync(context, ServiceRecord.Binary, cancellationToken);
        var oldest = controlPlane.OldestCompute;

        // 0: there are none yet.
        if (lowest == 0 || lowest >= oldest)
        {
            return;
        }

        var reason =
            $"A compute service in this cell has service version {lowest}; the control plane (version {controlPlane.ServiceVersion}) supports none older than {oldest}. " +
            "Upgrade it through the releases between, or remove its record if it is gone (openstack compute service list, openstack compute service delete).";
        if (!workarounds.DisableComputeServiceCheckForFfu)
        {
            throw new TooOldComputeServiceException(
                reason + " In a fast-forward upgrade set [workarounds] disable_compute_service_check_for_ffu = true until all are upgraded.");
        }

        logger.LogWarning("{Reason} The service starts all the same, by [workarounds] disable_compute_service_check_for_ffu.", reason);
    }
}

/// <summary>A compute service of this cell is older than the control plane supports beside it.</summary>
internal sealed class TooOldComputeServiceException(string message) : Exception(message);
