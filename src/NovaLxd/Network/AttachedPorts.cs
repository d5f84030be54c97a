using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Network;

/// <summary>
/// One port more or less for an instance that is here, in Neutron and in the database (nova/network/neutron.py: allocate_for_instance for one,
/// deallocate_port_for_instance). Host and guest are the driver's.
/// </summary>
internal sealed class AttachedPorts(
    ConductorClient conductor, PortAllocation allocation, PortRelease release, NetworkInfoReader reader, InfoCaches caches, DeviceTags tags, ILogger<AttachedPorts> logger)
{
    /// <summary>(1) port, bound to this host and recorded (2) tag, where the guest finds it (3) the last of the cache. A failure takes all of it back.</summary>
    /// <exception cref="BuildAbortException">It cannot be had; the kinds of it say why.</exception>
    /// <exception cref="PortBindingFailedException">No agent serves this host.</exception>
    public async Task<Vif> AllocateAsync(RequestContext context, Instance instance, NetworkRequest request, CancellationToken cancellationToken)
    {
        await using var undo = new Undo(logger);

        // (1)
        var (id, preexisting) = await allocation.AllocateOneAsync(context, instance, request, cancellationToken);
        undo.Add($"the allocation of port {id}", token => DeallocateAsync(context, instance, id, preexisting, token));

        // (2)
        if (request.Tag is not null)
        {
            await tags.UpdateAsync(context, instance, cancellationToken);
        }

        // (3)
        Vif? vif = null;
        await caches.ChangeAsync(context, instance, async known =>
        {
            vif = await reader.ReadPortAsync(context, instance, id, preexisting, cancellationToken);
            return vif is null ? known : known.With(vif);
        }, cancellationToken);
        undo.Keep();
        return vif ?? throw new InterfaceAttachFailedException($"Port {id} was deleted in Neutron, or given to somebody else, while it was being attached.");
    }

    /// <summary>A port of the cache leaves the instance: one made for it is deleted, a user's own is unbound.</summary>
    /// <exception cref="OpenStack.OpenStackException">Neutron refuses; all is as it was.</exception>
    public async Task DeallocateAsync(RequestContext context, Instance instance, string portId, CancellationToken cancellationToken)
    {
        var known = await caches.ReadAsync(context, instance, cancellationToken);
        await DeallocateAsync(context, instance, portId, known.Find(portId)?.PreserveOnDelete ?? false, cancellationToken);
    }

    /// <summary>(1) Neutron (2) record and tag (3) cache.</summary>
    private async Task DeallocateAsync(RequestContext context, Instance instance, string portId, bool preexisting, CancellationToken cancellationToken)
    {
        // (1)
        await release.TakeBackAsync(context, [portId], preexisting ? new HashSet<string> { portId } : new HashSet<string>(), cancellationToken);

        // (2)
        if (await conductor.FindVirtualInterfaceAsync(context, portId, cancellationToken) is { } row)
        {
            await conductor.DestroyAsync(context, row, cancellationToken);
            if (row.Tag is not null)
            {
                await tags.UpdateAsync(context, instance, cancellationToken);
            }
        }

        // (3)
        await caches.ChangeAsync(
            context, instance, known => Task.FromResult(known.Find(portId) is null ? known : known.Without(portId)), cancellationToken);
    }
}
