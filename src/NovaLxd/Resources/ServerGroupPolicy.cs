using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Resources;

/// <summary>
/// The late check of a server group's policy: two members that were scheduled at the same time may both have been sent here
/// (nova/compute/manager.py:_validate_instance_group_policy).
/// </summary>
internal sealed class ServerGroupPolicy(ConductorClient conductor, ServiceOptions options, NodeIdentity identity, WorkaroundOptions workarounds)
{
    private readonly KeyedLock<string> _locks = new();

    /// <exception cref="RescheduledByPolicyException">The group does not allow this host for the instance.</exception>
    public async Task CheckAsync(RequestContext context, Instance instance, RequestSpec requestSpec, CancellationToken cancellationToken)
    {
        if (workarounds.DisableGroupPolicyCheckUpcall || requestSpec.SchedulerHint("group") is not [var hint, ..])
        {
            return;
        }

        if (await FindAsync(context, hint, cancellationToken) is not { } group)
        {
            return;
        }

        // One at a time of each group: of two that come together the second must see the first.
        using var held = await _locks.EnterAsync(group.Uuid, cancellationToken);
        switch (group.Policy)
        {
            case "anti-affinity":
                await CheckApartAsync(context, instance, group, cancellationToken);
                break;
            case "affinity":
                await CheckTogetherAsync(context, instance, group, cancellationToken);
                break;
        }
    }

    private async Task CheckApartAsync(RequestContext context, Instance instance, InstanceGroup group, CancellationToken cancellationToken)
    {
        // Those on their way here are as good as here.
        var here = await conductor.GetInstanceUuidsByHostAsync(context, options.Host, cancellationToken);
        var moving = await conductor.GetMigrationsInProgressAsync(context, options.Host, identity.NodeName, cancellationToken);

        // Read again under the lock: members may have come since.
        if (await FindAsync(context, group.Uuid, cancellationToken) is not { } now)
        {
            return;
        }

        var members = now.Members.Where(m => m != instance.Uuid).ToHashSet();
        members.IntersectWith(here.Concat(moving.Select(m => m.InstanceUuid).OfType<string>()));
        if (members.Count >= now.MaxServersPerHost)
        {
            throw new RescheduledByPolicyException(instance.Uuid, "Anti-affinity instance group policy was violated");
        }
    }

    private async Task CheckTogetherAsync(RequestContext context, Instance instance, InstanceGroup group, CancellationToken cancellationToken)
    {
        var hosts = await conductor.GetGroupHostsAsync(context, group, [instance.Uuid], cancellationToken);
        if (hosts.Count > 0 && !hosts.Contains(options.Host))
        {
            throw new RescheduledByPolicyException(instance.Uuid, "Affinity instance group policy was violated");
        }
    }

    /// <summary>A group that was deleted since the instance was asked for forbids nothing: null.</summary>
    private async Task<InstanceGroup?> FindAsync(RequestContext context, string hint, CancellationToken cancellationToken)
    {
        try
        {
            return await conductor.GetInstanceGroupByHintAsync(context, hint, cancellationToken);
        }
        catch (InstanceGroupNotFoundException)
        {
            return null;
        }
    }
}
