using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.Neutron;
using NovaLxd.OpenStack.Neutron.Models;

namespace NovaLxd.Network;

/// <summary>
/// The ports of an instance that moves (nova/network/neutron.py: setup_networks_on_host, migrate_instance_start, migrate_instance_finish). On one host there
/// is little to do: they are bound to it and stay so, and what an earlier move left in them is put right.
/// </summary>
internal sealed class MovePorts(NeutronClient neutron, ILogger<MovePorts> logger)
{
    private const string BindingExtension = "binding-extended";
    private const string MigratingTo = "migrating_to";

    /// <summary>Nobody is to expect the ports elsewhere any more.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="instance">The instance.</param>
    /// <param name="left">The host it has left for good: the ports' bindings to it go; null: none.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task TearDownAsync(RequestContext context, Instance instance, string? left, CancellationToken cancellationToken)
    {
        var caller = Callers.Service(context);
        var query = new PortQuery { DeviceId = instance.Uuid, TenantId = instance.ProjectId, HostId = instance.Host };
        foreach (var port in await neutron.ListPortsAsync(caller, query, cancellationToken))
        {
            if (WithoutTarget(port) is { } profile)
            {
                await neutron.UpdatePortAsync(caller, port.Id, new PortUpdate { Profile = profile }, cancellationToken);
            }

            if (left is not null && left != instance.Host)
            {
                await DeleteBindingAsync(caller, port.Id, left, cancellationToken);
            }
        }
    }

    /// <summary>Makes the bindings to a host the active ones, where the conductor has made some.</summary>
    public async Task StartAsync(RequestContext context, Instance instance, string host, CancellationToken cancellationToken)
    {
        var caller = Callers.Service(context);
        if (!(await neutron.GetExtensionsAsync(caller, cancellationToken)).Contains(BindingExtension))
        {
            return;
        }

        foreach (var vif in instance.NetworkInfo.Vifs)
        {
            if (await FindBindingAsync(caller, vif.Id, host, cancellationToken) is not { } binding)
            {
                return;
            }

            if (binding.Status != "ACTIVE" && await neutron.ActivateBindingAsync(caller, vif.Id, host, cancellationToken))
            {
                logger.LogInformation("Port {Port} is bound to {Host} now", vif.Id, host);
            }
        }
    }

    /// <summary>A question that Neutron refuses is no reason to stop: the ports are bound by <see cref="FinishAsync"/> in any case.</summary>
    private async Task<PortBinding?> FindBindingAsync(OpenStackCaller caller, string port, string host, CancellationToken cancellationToken)
    {
        try
        {
            return await neutron.FindBindingAsync(caller, port, host, cancellationToken);
        }
        catch (NeutronException e)
        {
            logger.LogError(e, "Neutron did not tell of the binding of port {Port} to {Host}: {Reason}", port, host, e.Message);
            return null;
        }
    }

    /// <summary>There is one only where the conductor has made one for the move. One that stays does no harm: it is not the active one.</summary>
    private async Task DeleteBindingAsync(OpenStackCaller caller, string port, string host, CancellationToken cancellationToken)
    {
        try
        {
            await neutron.DeleteBindingAsync(caller, port, host, cancellationToken);
        }
        catch (NeutronException e)
        {
            logger.LogWarning("The binding of port {Port} to {Host}, which the instance has left, could not be deleted: {Reason}", port, host, e.Message);
        }
    }

    /// <summary>The ports that are on the instance's host say to which they go, until they are bound to it.</summary>
    public async Task AnnounceAsync(RequestContext context, Instance instance, string host, CancellationToken cancellationToken)
    {
        var caller = Callers.Service(context);
        var query = new PortQuery { DeviceId = instance.Uuid, TenantId = instance.ProjectId, HostId = instance.Host };
        foreach (var port in await neutron.ListPortsAsync(caller, query, cancellationToken))
        {
            if (port.HostId != host && (string?)port.Profile?[MigratingTo] != host)
            {
                var profile = (JObject?)port.Profile?.DeepClone() ?? [];
                profile[MigratingTo] = host;
                await neutron.UpdatePortAsync(caller, port.Id, new PortUpdate { Profile = profile }, cancellationToken);
            }
        }
    }

    /// <summary>Binds to a host what is bound to another, or to none.</summary>
    public async Task FinishAsync(RequestContext context, Instance instance, string host, CancellationToken cancellationToken)
    {
        var caller = Callers.Service(context);
        var query = new PortQuery { DeviceId = instance.Uuid, TenantId = instance.ProjectId };
        foreach (var port in await neutron.ListPortsAsync(caller, query, cancellationToken))
        {
            if (port.HostId == host && port.VifType is not ("unbound" or "binding_failed"))
            {
                continue;
            }

            var update = new PortUpdate { HostId = host, DeviceOwner = $"compute:{instance.AvailabilityZone}" };
            if (WithoutTarget(port) is { } profile)
            {
                update = update with { Profile = profile };
            }

            await neutron.UpdatePortAsync(caller, port.Id, update, cancellationToken);
            logger.LogInformation("Port {Port} was bound to {Host} (it was on {Old}, {Type})", port.Id, host, port.HostId, port.VifType);
        }
    }

    /// <summary>Null: the profile names no host that the port moves to.</summary>
    private static JObject? WithoutTarget(Port port)
    {
        if (port.Profile?[MigratingTo] is not { } target || string.IsNullOrEmpty((string?)target))
        {
            return null;
        }

        var profile = (JObject)port.Profile.DeepClone();
        profile.Remove(MigratingTo);
        return profile;
    }
}
