using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Network;

/// <summary>
/// What the database keeps of the instances' ports, changed by one at a time for each instance: Neutron's events, the healing and the operations would
/// write over each other otherwise, and with a port its mark that it was the user's would be lost. Apart from the instance's own lock, which an operation
/// holds while it waits for those events.
/// </summary>
internal sealed class InfoCaches(ConductorClient conductor)
{
    private readonly KeyedLock<string> _locks = new();

    public async Task<NetworkInfo> ReadAsync(RequestContext context, Instance instance, CancellationToken cancellationToken) =>
        (await conductor.GetInfoCacheAsync(context, instance.Uuid, cancellationToken)).NetworkInfo;

    /// <param name="context">Who asks.</param>
    /// <param name="instance">Gets the new one too; its own may be as old as the message it came with, and does not count.</param>
    /// <param name="change">From what the database has to what it is to have; the same one: nothing is saved.</param>
    /// <param name="cancellationToken">The caller gives up.</param>
    public async Task<NetworkInfo> ChangeAsync(
        RequestContext context, Instance instance, Func<NetworkInfo, Task<NetworkInfo>> change, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(instance.Uuid, cancellationToken);
        var known = await ReadAsync(context, instance, cancellationToken);
        var changed = await change(known);
        if (!ReferenceEquals(changed, known))
        {
            await conductor.SaveNetworkInfoAsync(context, instance, changed, cancellationToken);
        }

        return changed;
    }
}
