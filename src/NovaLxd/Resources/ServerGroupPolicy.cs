using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Resources;

/// <summary>
/// The late check of a server group's policy: two members that were scheduled at the same time may both have been sent here
/// (nova/compute/manager.py:_validate_instance_group_policy).
/// </summary>
internal sealed class ServerGroupPolicy(ConductorClient conductor, ServiceOptions options, WorkaroundOptions workarounds) : IDisposable
{
    private readonly SemaphoreSlim _lock = new(1);

    /// <exception cref="RescheduledByPolicyException">The group does not allow this host for the instance.</exception>
    public async Task CheckAsync(RequestContext context, Instance instance, RequestSpec requestSpec, CancellationToken cancellationToken)
    {
        if (workarounds.DisableGroupPolicyCheckUpcall || requestSpec.SchedulerHint("group") is not [var hint, ..])
        {
            return;
        }

        // One at a time: of two that come together the second must see the first.
        await _lock.WaitAsync(cancellationToken);
        try
        {
            var group = await conductor.GetInstanceGroupByHintAsync(context, hint, cancellationToken);
            if (group.Policy == "anti-affinity")
            {
                var members = group.Members.Where(m => m != instance.Uuid);
                var here = (await conductor.GetInstanceUuidsByHostAsync(context, options.Host, cancellationToken)).Intersect(members).Count();
                if (here >= group.MaxServersPerHost)
                {
                    throw new RescheduledByPolicyException(instance.Uuid, "Anti-affinity instance group policy was violated");
                }
            }
            else if (group.Policy == "affinity")
            {
                var hosts = await conductor.GetGroupHostsAsync(context, group, [instance.Uuid], cancellationToken);
                if (hosts.Count > 0 && !hosts.Contains(options.Host))
                {
                    throw new RescheduledByPolicyException(instance.Uuid, "Affinity instance group policy was violated");
                }
            }
        }
        finally
        {
            _lock.Release();
        }
    }

    public void Dispose() => _lock.Dispose();
}
