using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.Outcomes;
using NovaLxd.Virt;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Periodic;

/// <summary>
/// Offloads instances that were shelved longer than <c>shelved_offload_time</c> ago (nova/compute/manager.py:_poll_shelved_instances). One that resists does not
/// keep the others, and comes again.
/// </summary>
internal sealed class OffloadShelved(
    ConductorClient conductor, InstanceOffloading offloading, InstanceLocks locks, InstanceOptions options, ServiceOptions service, TimeProvider time,
    ILogger<OffloadShelved> logger)
{
    private static readonly string[] Attributes = ["metadata", "system_metadata", "info_cache", "flavor"];

    public async Task RunAsync(RequestContext context, CancellationToken cancellationToken)
    {
        if (options.ShelvedOffloadTime <= TimeSpan.Zero)
        {
            return;
        }

        var filters = new JObject { ["vm_state"] = VmState.Shelved, ["task_state"] = null, ["host"] = service.Host };
        foreach (var found in await conductor.GetInstancesByFiltersAsync(context, filters, [], cancellationToken))
        {
            using var scope = logger.BeginScope(new Logging.LogSubject(InstanceUuid: Guid.Parse(found.Uuid)));
            try
            {
                await OffloadAsync(context, found.Uuid, cancellationToken);
            }
            catch (Exception e) when (e is InstanceNotFoundException or UnexpectedTaskStateException)
            {
                logger.LogDebug("The shelved instance was taken by somebody else meanwhile: {Reason}", e.Message);
            }
            catch (Exception e) when (e is OutcomeException or OpenStackException or RemoteFailureException or VirtException or KernelException or IOException)
            {
                logger.LogWarning("The shelved instance could not be offloaded, which is tried again: {Reason}", e.Message);
            }
        }
    }

    /// <summary>Read anew under its lock: it may have been unshelved since.</summary>
    private async Task OffloadAsync(RequestContext context, string uuid, CancellationToken cancellationToken)
    {
        using var held = await locks.AcquireAsync(uuid, cancellationToken);
        var instance = await conductor.GetInstanceAsync(context, uuid, Attributes, cancellationToken);
        if (instance is not { VmState: VmState.Shelved, TaskState: null } || instance.Host != service.Host
            || ShelvedKeys.TimeOf(instance) is not { } shelvedAt || time.GetUtcNow() - shelvedAt <= options.ShelvedOffloadTime)
        {
            return;
        }

        logger.LogInformation("The instance was shelved at {ShelvedAt:u} and leaves this host.", shelvedAt);
        instance.TaskState = TaskState.ShelvingOffloading;
        await conductor.SaveAsync(context, instance, [null], cancellationToken);
        try
        {
            await offloading.OffloadAsync(context, instance, clean: false, cancellationToken);
        }
        catch (Exception e) when (e is not UnexpectedTaskStateException && !cancellationToken.IsCancellationRequested)
        {
            // A task that nobody works on would keep its owner, and the next pass, from the instance for ever.
            instance.TaskState = null;
            await conductor.SaveAsync(context, instance, [TaskState.ShelvingOffloading], cancellationToken);
            await conductor.CreateAsync(context, InstanceFaults.From(e, instance.Uuid, service.Host), cancellationToken);
            throw;
        }
    }
}
