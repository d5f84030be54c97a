using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.Neutron;
using NovaLxd.OpenStack.Neutron.Models;
using NovaLxd.Outcomes;

namespace NovaLxd.Network;

/// <summary>An interface that an instance is to have: on a port that is there already, or on a network.</summary>
internal sealed record PortRequest(string NetworkId, Port? Existing, string? Address, string? Tag);

/// <summary>Finds out which interfaces an instance is to have (nova/network/neutron.py:_validate_requested_port_ids, _get_available_networks).</summary>
internal sealed class PortRequests(NeutronClient neutron)
{
    /// <summary>In the order asked for. Without wishes: the project's only network; none when it has none.</summary>
    /// <exception cref="BuildAbortException">A port or network is not there, not the user's or in use, or the choice is not clear.</exception>
    public async Task<IReadOnlyList<PortRequest>> ResolveAsync(
        RequestContext context, Instance instance, NovaList<NetworkRequest>? requested, CancellationToken cancellationToken)
    {
        var requests = requested?.Objects ?? [];
        if (requests.Any(r => r.NoAllocate))
        {
            return [];
        }

        if (requests.Any(r => r.AutoAllocate))
        {
            return [new PortRequest(await AutoNetworkAsync(context, instance, cancellationToken), null, null, null)];
        }

        var ports = await PortsAsync(context, instance, requests, cancellationToken);
        var networkIds = requests.Select(r => r.PortId is { } id ? ports[id].NetworkId : r.NetworkId).OfType<string>().Distinct().ToList();
        var networks = await NetworksAsync(context, instance, networkIds, requests.Count, cancellationToken);
        return requests.Count == 0
            ? [.. networks.Select(n => new PortRequest(n.Id, null, null, null))]
            : [.. requests.Select(r => new PortRequest(
                r.PortId is { } id ? ports[id].NetworkId! : r.NetworkId ?? networks[0].Id, r.PortId is { } p ? ports[p] : null, r.Address, r.Tag))];
    }

    private async Task<Dictionary<string, Port>> PortsAsync(
        RequestContext context, Instance instance, IReadOnlyList<NetworkRequest> requests, CancellationToken cancellationToken)
    {
        var ports = new Dictionary<string, Port>();
        foreach (var id in requests.Select(r => r.PortId).OfType<string>())
        {
            var port = await ShowAsync(context, id, cancellationToken);
            if (port.TenantId != instance.ProjectId)
            {
                throw new PortNotUsableException($"Port {id} not usable for instance {instance.Uuid}.");
            }

            // After a build that was rescheduled from another host the port is ours already.
            if (port.DeviceId is { Length: > 0 } && port.DeviceId != instance.Uuid)
            {
                throw new PortInUseException($"Port {id} is still in use.");
            }

            if (port.DnsName is { Length: > 0 } && port.DnsName != instance.Hostname)
            {
                throw new PortNotUsableException(
                    $"Port {id} not usable for instance {instance.Uuid}. Value {port.DnsName} assigned to dns_name attribute does not match " +
                    $"instance's hostname {instance.Hostname}");
            }

            if (port.IsBindingFailed)
            {
                throw new BuildAbortException($"Binding failed for port {id}, please check neutron logs for more information.");
            }

            ports[id] = port;
        }

        return ports;
    }

    private async Task<Port> ShowAsync(RequestContext context, string id, CancellationToken cancellationToken)
    {
        try
        {
            return await neutron.ShowPortAsync(Callers.Service(context), id, null, cancellationToken);
        }
        catch (NeutronException e) when (e.IsNotFound)
        {
            throw new PortNotFoundException($"Port id {id} could not be found.", e);
        }
    }

    private async Task<IReadOnlyList<OpenStack.Neutron.Models.Network>> NetworksAsync(
        RequestContext context, Instance instance, IReadOnlyList<string> ids, int requestCount, CancellationToken cancellationToken)
    {
        var caller = Callers.User(context);
        if (ids.Count > 0)
        {
            var found = await neutron.ListNetworksAsync(caller, new NetworkQuery { Ids = ids }, cancellationToken);
            var missing = ids.Except(found.Select(n => n.Id)).ToList();
            return missing.Count == 0 ? found : throw new NetworkNotFoundException($"Network {string.Join(", ", missing)} could not be found.");
        }

        var own = await neutron.ListNetworksAsync(caller, new NetworkQuery { TenantId = instance.ProjectId, Shared = "false" }, cancellationToken);
        var shared = await neutron.ListNetworksAsync(caller, new NetworkQuery { Shared = "true" }, cancellationToken);
        var all = own.Concat(shared).DistinctBy(n => n.Id).ToList();
        return all.Count switch
        {
            0 when requestCount > 0 => throw new InterfaceAttachFailedNoNetworkException("No network is available to the project: create one, or ask for none (--nic none)."),
            > 1 => throw new NetworkAmbiguousException("More than one possible network found. Specify network ID(s) to select which one(s) to connect to."),
            _ => all,
        };
    }

    private async Task<string> AutoNetworkAsync(RequestContext context, Instance instance, CancellationToken cancellationToken)
    {
        try
        {
            return await neutron.GetAutoAllocatedNetworkIdAsync(Callers.User(context), instance.ProjectId!, cancellationToken);
        }
        catch (OpenStackHttpException e)
        {
            throw new BuildAbortException($"Unable to automatically allocate a network for project {instance.ProjectId}: {e.Detail}", 400, e);
        }
    }
}
