using System.Collections.Immutable;
using NovaLxd.OpenStack.Neutron.Models;

namespace NovaLxd.OpenStack.Neutron;

/// <summary>
/// Neutron for the compute service: whole lists (pages followed), unwrapped objects, and the extension list cached. The caller's token is used;
/// <c>caller.WithServiceCredentials()</c> is Nova's admin client. Refusals are <see cref="NeutronException"/>s.
/// </summary>
public sealed class NeutronClient(INeutronApi api, OpenStackOptions options, TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim extensionsGate = new(1);
    private ImmutableHashSet<string>? extensions;
    private long extensionsRead;

    public Task<IReadOnlyList<Port>> ListPortsAsync(OpenStackCaller caller, PortQuery query, CancellationToken cancellationToken) =>
        PagesAsync(
            (marker, limit) => api.ListPortsAsync(caller, marker is null ? query : query with { Marker = marker, Limit = limit }, cancellationToken),
            page => (page.Ports, page.PortsLinks));

    /// <param name="caller">For whom.</param>
    /// <param name="id">The port's uuid.</param>
    /// <param name="fields">Names of the fields wanted; null: all.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public async Task<Port> ShowPortAsync(OpenStackCaller caller, string id, string[]? fields, CancellationToken cancellationToken) =>
        (await api.ShowPortAsync(caller, id, fields, cancellationToken)).Port;

    public async Task<Port> CreatePortAsync(OpenStackCaller caller, PortCreate port, CancellationToken cancellationToken) =>
        (await api.CreatePortAsync(caller, new(port), cancellationToken)).Port;

    public async Task<Port> UpdatePortAsync(OpenStackCaller caller, string id, PortUpdate update, CancellationToken cancellationToken) =>
        (await api.UpdatePortAsync(caller, id, new(update), cancellationToken)).Port;

    /// <summary>False: it was gone already.</summary>
    public async Task<bool> DeletePortAsync(OpenStackCaller caller, string id, CancellationToken cancellationToken) =>
        await FoundAsync(api.DeletePortAsync(caller, id, cancellationToken));

    public async Task<IReadOnlyList<PortBinding>> ListBindingsAsync(OpenStackCaller caller, string portId, CancellationToken cancellationToken) =>
        (await api.ListBindingsAsync(caller, portId, cancellationToken)).Bindings;

    /// <summary>The port's binding to a host, null when it has none.</summary>
    public async Task<PortBinding?> FindBindingAsync(OpenStackCaller caller, string portId, string host, CancellationToken cancellationToken)
    {
        try
        {
            return (await api.ShowBindingAsync(caller, portId, host, cancellationToken)).Binding;
        }
        catch (NeutronException e) when (e.IsNotFound)
        {
            return null;
        }
    }

    public async Task<PortBinding> CreateBindingAsync(OpenStackCaller caller, string portId, PortBindingCreate binding, CancellationToken cancellationToken) =>
        (await api.CreateBindingAsync(caller, portId, new(binding), cancellationToken)).Binding;

    /// <summary>Makes a host's binding the active one. False: it was already.</summary>
    public async Task<bool> ActivateBindingAsync(OpenStackCaller caller, string portId, string host, CancellationToken cancellationToken)
    {
        try
        {
            await api.ActivateBindingAsync(caller, portId, host, cancellationToken);
            return true;
        }
        catch (NeutronException e) when (e.IsConflict)
        {
            return false;
        }
    }

    /// <summary>False: there was no such binding.</summary>
    public async Task<bool> DeleteBindingAsync(OpenStackCaller caller, string portId, string host, CancellationToken cancellationToken) =>
        await FoundAsync(api.DeleteBindingAsync(caller, portId, host, cancellationToken));

    public Task<IReadOnlyList<Network>> ListNetworksAsync(OpenStackCaller caller, NetworkQuery query, CancellationToken cancellationToken) =>
        PagesAsync(
            (marker, limit) => api.ListNetworksAsync(caller, marker is null ? query : query with { Marker = marker, Limit = limit }, cancellationToken),
            page => (page.Networks, page.NetworksLinks));

    public async Task<Network> ShowNetworkAsync(OpenStackCaller caller, string id, string[]? fields, CancellationToken cancellationToken) =>
        (await api.ShowNetworkAsync(caller, id, fields, cancellationToken)).Network;

    /// <summary>The id of the network that Neutron makes by itself for a project ("auto").</summary>
    public async Task<string> GetAutoAllocatedNetworkIdAsync(OpenStackCaller caller, string projectId, CancellationToken cancellationToken) =>
        (await api.GetAutoAllocatedTopologyAsync(caller, projectId, cancellationToken)).AutoAllocatedTopology.Id;

    public Task<IReadOnlyList<Subnet>> ListSubnetsAsync(OpenStackCaller caller, SubnetQuery query, CancellationToken cancellationToken) =>
        PagesAsync(
            (marker, limit) => api.ListSubnetsAsync(caller, marker is null ? query : query with { Marker = marker, Limit = limit }, cancellationToken),
            page => (page.Subnets, page.SubnetsLinks));

    public Task<IReadOnlyList<SecurityGroup>> ListSecurityGroupsAsync(OpenStackCaller caller, SecurityGroupQuery query, CancellationToken cancellationToken) =>
        PagesAsync(
            (marker, limit) => api.ListSecurityGroupsAsync(caller, marker is null ? query : query with { Marker = marker, Limit = limit }, cancellationToken),
            page => (page.SecurityGroups, page.SecurityGroupsLinks));

    /// <summary>Empty when Neutron has no router extension and so no floating IPs (404 in Nova's eyes too).</summary>
    public async Task<IReadOnlyList<FloatingIp>> ListFloatingIpsAsync(OpenStackCaller caller, FloatingIpQuery query, CancellationToken cancellationToken)
    {
        try
        {
            return await PagesAsync(
                (marker, limit) => api.ListFloatingIpsAsync(caller, marker is null ? query : query with { Marker = marker, Limit = limit }, cancellationToken),
                page => (page.Floatingips, page.FloatingipsLinks));
        }
        catch (NeutronException e) when (e.IsNotFound)
        {
            return [];
        }
    }

    public async Task<FloatingIp> UpdateFloatingIpAsync(OpenStackCaller caller, string id, FloatingIpUpdate update, CancellationToken cancellationToken) =>
        (await api.UpdateFloatingIpAsync(caller, id, new(update), cancellationToken)).Floatingip;

    /// <summary>Aliases of the loaded extensions, asked again after [neutron] extension_sync_interval.</summary>
    public async Task<IReadOnlySet<string>> GetExtensionsAsync(OpenStackCaller caller, CancellationToken cancellationToken)
    {
        await extensionsGate.WaitAsync(cancellationToken);
        try
        {
            if (extensions is null || time.GetElapsedTime(extensionsRead) >= options.NeutronExtensionSyncInterval)
            {
                extensions = [.. (await api.ListExtensionsAsync(caller, cancellationToken)).Extensions.Select(e => e.Alias)];
                extensionsRead = time.GetTimestamp();
            }

            return extensions;
        }
        finally
        {
            extensionsGate.Release();
        }
    }

    public void Dispose() => extensionsGate.Dispose();

    private static async Task<bool> FoundAsync(Task deletion)
    {
        try
        {
            await deletion;
            return true;
        }
        catch (NeutronException e) when (e.IsNotFound)
        {
            return false;
        }
    }

    /// <summary>Follows NAME_links: Neutron pages by itself when pagination_max_limit is set. The next link holds the marker.</summary>
    private static async Task<IReadOnlyList<TItem>> PagesAsync<TPage, TItem>(
        Func<string?, int?, Task<TPage>> fetch, Func<TPage, (IReadOnlyList<TItem> Items, IReadOnlyList<PageLink>? Links)> open)
    {
        var (items, links) = open(await fetch(null, null));
        if (Next(links) is not { } next)
            return items;
        var all = items.ToList();
        for (NextPage? following = next; following is not null; following = Next(links))
        {
            (items, links) = open(await fetch(following.Marker, following.Limit));
            all.AddRange(items);
        }

        return all;
    }

    private sealed record NextPage(string Marker, int? Limit);

    private static NextPage? Next(IReadOnlyList<PageLink>? links)
    {
        if (links?.FirstOrDefault(l => l.Rel == "next") is not { } link || !Uri.TryCreate(link.Href, UriKind.Absolute, out var url))
            return null;
        var parameters = url.Query.TrimStart('?').Split('&').Select(p => p.Split('=', 2)).Where(p => p.Length == 2).ToLookup(p => p[0], p => Uri.UnescapeDataString(p[1]));
        return parameters["marker"].FirstOrDefault() is { } marker
            ? new(marker, int.TryParse(parameters["limit"].FirstOrDefault(), out var limit) ? limit : null)
            : null;
    }
}
