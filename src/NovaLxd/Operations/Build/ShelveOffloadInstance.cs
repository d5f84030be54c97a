using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Build;

/// <summary><c>openstack server shelve --offload</c>: a shelved instance leaves this host (nova/compute/manager.py:shelve_offload_instance).</summary>
internal sealed class ShelveOffloadInstance(
    ConductorClient conductor, InstanceOffloading offloading, ServiceHost host, ILogger<ShelveOffloadInstance> logger)
    : IOperation<ShelveOffloadInstance.Request, None>
{
    /// <param name="Instance">What leaves.</param>
    /// <param name="CleanShutdown">Whether a guest that runs is asked to shut down.</param>
    /// <param name="AccelUuids">Accelerators, of which there are none here.</param>
    internal sealed record Request(Instance Instance, bool CleanShutdown = true, IReadOnlyList<string>? AccelUuids = null) : IInstanceRequest;

    /// <summary>
    /// (1) is it still so? (2) offload. A request that comes a second time must not take container and allocation from an instance that was unshelved since.
    /// </summary>
    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        // (1)
        var row = await conductor.GetInstanceAsync(context, request.Instance.Uuid, [], cancellationToken);
        if (row.Host != host.Name || row.TaskState is not (TaskState.Shelving or TaskState.ShelvingOffloading))
        {
            logger.LogWarning(
                "The instance is not offloaded: it is {VmState} on host {Host} by now, with task_state {TaskState}.", row.VmState, row.Host ?? "none", row.TaskState ?? "none");
            return default;
        }

        // (2)
        await offloading.OffloadAsync(context, request.Instance, request.CleanShutdown, cancellationToken);
        return default;
    }
}
