using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.Neutron;
using NovaLxd.OpenStack.Neutron.Models;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Network;

/// <summary>
/// Makes and binds the ports of a new instance (nova/network/neutron.py:allocate_for_instance). Ports are made with the user's token, so that quota and
/// policy are the user's, and bound with the service's.
/// </summary>
internal sealed class PortAllocation(
    NeutronClient neutron, ConductorClient conductor, PortRequests requests, PortRelease release, ServiceOptions options, ILogger<PortAllocation> logger)
{
    /// <summary>(1) what is wanted (2) security groups (3) new ports (4) binding. Returns the ports' ids in order and which of them were there before.</summary>
    /// <exception cref="BuildAbortException">Neutron refuses, and would for every other host.</exception>
    /// <exception cref="PortBindingFailedException">No agent serves this host; another host may have one.</exception>
    public async Task<(IReadOnlyList<string> Order, IReadOnlySet<string> Preexisting)> AllocateAsync(
        RequestContext context,
        Instance instance,
        RequestSpec? requestSpec,
        NovaList<NetworkRequest>? requested,
        IReadOnlyList<string> securityGroups,
        CancellationToken cancellationToken)
    {
        var wanted = await requests.ResolveAsync(context, instance, requested, cancellationToken);
        var groups = await SecurityGroupIdsAsync(context, securityGroups, cancellationToken);
        var ids = await MakeAndBindAsync(context, instance, requestSpec, wanted, groups, cancellationToken);
        return (ids, wanted.Select(w => w.Existing?.Id).OfType<string>().ToHashSet());
    }

    /// <summary>One port more for an instance that is here already. Returns its id and whether it was there before.</summary>
    /// <exception cref="BuildAbortException">It cannot be had; the kinds of it say why.</exception>
    /// <exception cref="PortBindingFailedException">No agent serves this host.</exception>
    public async Task<(string Id, bool Preexisting)> AllocateOneAsync(
        RequestContext context, Instance instance, NetworkRequest request, CancellationToken cancellationToken)
    {
        if (await requests.ResolveAsync(context, instance, NovaList<NetworkRequest>.Of([request]), cancellationToken) is not [var wanted])
        {
            throw new InterfaceAttachFailedNoNetworkException($"Network {request.NetworkId} is no network to attach instance {instance.Uuid} to.");
        }

        // To an instance that is being built again, a port of its own may come; one that is here has it already.
        if (wanted.Existing is { DeviceId.Length: > 0 } taken)
        {
            throw new PortInUseException($"Port {taken.Id} is still in use.");
        }

        if (wanted.Existing?.ResourceRequest is { Count: > 0 })
        {
            throw new InterfaceAttachResourceAllocationFailedException(
                $"Port {wanted.Existing.Id} wants resources of Placement (a QoS policy with a guaranteed minimum), which this host cannot allocate: " +
                "take the policy from the port, or attach another.");
        }

        var ids = await MakeAndBindAsync(context, instance, null, [wanted], [], cancellationToken);
        return (ids[0], wanted.Existing is not null);
    }

    private async Task<IReadOnlyList<string>> MakeAndBindAsync(
        RequestContext context, Instance instance, RequestSpec? requestSpec, IReadOnlyList<PortRequest> wanted, IReadOnlyList<string> groups,
        CancellationToken cancellationToken)
    {
        await using var undo = new Undo(logger);
        var ids = new List<string>();
        var bound = new ConcurrentBag<string>();
        undo.Add("ports", token => release.TakeBackAsync(context, bound, wanted.Select(w => w.Existing?.Id).OfType<string>().ToHashSet(), token));
        foreach (var request in wanted)
        {
            var port = request.Existing ?? await CreateAsync(context, instance, request, groups, cancellationToken);
            bound.Add(port.Id);
            ids.Add(port.Id);
            await BindAsync(context, instance, requestSpec, port, cancellationToken);
            await RecordAsync(context, instance, port, request.Tag, cancellationToken);
        }

        undo.Keep();
        return ids;
    }

    /// <summary>"default" alone is what Neutron takes by itself.</summary>
    private async Task<IReadOnlyList<string>> SecurityGroupIdsAsync(RequestContext context, IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        if (names.Count == 0 || names is ["default"])
        {
            return [];
        }

        var known = await neutron.ListSecurityGroupsAsync(
            Callers.User(context), new SecurityGroupQuery { Fields = ["id", "name"], TenantId = context.ProjectId }, cancellationToken);
        return [.. names.Select(name => known.FirstOrDefault(g => g.Id == name)?.Id ?? known.Where(g => g.Name == name).ToList() switch
        {
            [var one] => one.Id,
            [] => throw new BuildAbortException($"Security group {name} not found.", 404),
            _ => throw new BuildAbortException($"Multiple security groups found matching '{name}'. Use an ID to be more specific.", 409),
        })];
    }

    private async Task<Port> CreateAsync(
        RequestContext context, Instance instance, PortRequest request, IReadOnlyList<string> securityGroups, CancellationToken cancellationToken)
    {
        var body = new PortCreate { NetworkId = request.NetworkId, DeviceId = instance.Uuid, TenantId = instance.ProjectId! };
        if (request.Address is not null)
        {
            body = body with { FixedIps = new([new OpenStack.Neutron.Models.FixedIp(IpAddress: request.Address)]) };
        }

        if (securityGroups.Count > 0)
        {
            body = body with { SecurityGroups = new(securityGroups) };
        }

        Port port;
        try
        {
            port = await neutron.CreatePortAsync(Callers.User(context), body, cancellationToken);
        }
        catch (NeutronException e)
        {
            throw Translate(e, request);
        }

        if (port.ResourceRequest is not null)
        {
            await neutron.DeletePortAsync(Callers.User(context), port.Id, cancellationToken);
            throw new NetworksWithQosPolicyNotSupportedException(
                $"Using networks with QoS policy is not supported for instance {instance.Uuid}. (Network ID is {request.NetworkId}): make the port first.");
        }

        return port;
    }

    private static BuildAbortException Translate(NeutronException e, PortRequest request) => e.Type switch
    {
        NeutronErrors.IpAddressInUse or NeutronErrors.IpAddressAlreadyAllocated =>
            new FixedIpAlreadyInUseException($"Fixed IP address {request.Address} is already in use on network {request.NetworkId}.", e),
        NeutronErrors.InvalidIpForNetwork or NeutronErrors.InvalidIpForSubnet =>
            new BuildAbortException($"Fixed IP {request.Address} is not a valid ip address for network {request.NetworkId}.", 400, e),
        NeutronErrors.OverQuota => new PortLimitExceededException($"Maximum number of ports exceeded: {e.Detail}"),
        NeutronErrors.IpAddressGenerationFailure => new NoMoreFixedIpsException($"No fixed IP addresses available for network: {request.NetworkId}"),
        NeutronErrors.NetworkNotFound => new NetworkNotFoundException($"Network {request.NetworkId} could not be found.", e),
        NeutronErrors.ExternalNetworkAttachForbidden =>
            new BuildAbortException($"It is not allowed to create an interface on external network {request.NetworkId}", 403, e),
        _ => new BuildAbortException($"Neutron made no port on network {request.NetworkId}: {e.Detail}", 500, e),
    };

    private async Task BindAsync(RequestContext context, Instance instance, RequestSpec? requestSpec, Port port, CancellationToken cancellationToken)
    {
        var caller = Callers.Service(context);
        var extensions = await neutron.GetExtensionsAsync(caller, cancellationToken);
        var update = new PortUpdate
        {
            DeviceId = instance.Uuid,
            DeviceOwner = $"compute:{instance.AvailabilityZone}",
            HostId = options.Host,
        };
        if (PortProfiles.ForBuild(port, requestSpec, extensions) is { } profile)
        {
            update = update with { Profile = profile };
        }

        if (extensions.Contains("dns-integration"))
        {
            update = await WithDnsNameAsync(context, instance, port, update, cancellationToken);
        }

        try
        {
            var updated = await neutron.UpdatePortAsync(caller, port.Id, update, cancellationToken);
            if (updated.IsBindingFailed)
            {
                throw new PortBindingFailedException(
                    $"Binding failed for port {port.Id}, please check neutron logs for more information: is a network agent alive on {options.Host}?");
            }
        }
        catch (NeutronException e)
        {
            throw new BuildAbortException($"Neutron did not bind port {port.Id} to {options.Host}: {e.Detail}", 500, e);
        }
    }

    /// <summary>A network with a DNS domain of its own takes the name from the user's request, all others from ours.</summary>
    private async Task<PortUpdate> WithDnsNameAsync(
        RequestContext context, Instance instance, Port port, PortUpdate update, CancellationToken cancellationToken)
    {
        var network = await neutron.ShowNetworkAsync(Callers.Service(context), port.NetworkId!, ["dns_domain"], cancellationToken);
        if (network.DnsDomain is not { Length: > 0 })
        {
            return update with { DnsName = instance.Hostname };
        }

        await neutron.UpdatePortAsync(Callers.User(context), port.Id, new PortUpdate { DnsName = instance.Hostname }, cancellationToken);
        return update;
    }

    private Task RecordAsync(RequestContext context, Instance instance, Port port, string? tag, CancellationToken cancellationToken)
    {
        var row = NovaObject.Create<VirtualInterface>();
        row.InstanceUuid = instance.Uuid;
        row.Tag = tag;
        row.Uuid = port.Id;
        row.Address = $"{port.MacAddress}/{port.Id}";
        return conductor.CreateAsync(context, row, cancellationToken);
    }
}
