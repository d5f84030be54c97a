using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Resources;
using NovaLxd.Virt;

namespace NovaLxd.Startup;

/// <summary>
/// Makes sure that this host is who it was (nova/compute/manager.py:_ensure_existing_node_identity): a host that lost its uuid would come up as another
/// node, and its instances would be nobody's.
/// </summary>
internal sealed class NodeRegistration(ConductorClient conductor, NodeIdentity identity, IContainerDriver driver, ServiceOptions options, ConfigurationFiles files)
{
    /// <summary>From this version on every compute service keeps the file.</summary>
    private const int FirstVersionWithFile = 65;

    /// <exception cref="ConfigurationException">The host's identity is not clear; the message says what to do.</exception>
    public async Task EnsureAsync(RequestContext context, Service? service, CancellationToken cancellationToken)
    {
        if (identity.Load(files.Folders) is not null)
        {
            return;
        }

        if (service is null)
        {
            await RefuseStrayContainersAsync(cancellationToken);
            identity.Persist(Guid.NewGuid().ToString());
            return;
        }

        if (service.Version >= FirstVersionWithFile)
        {
            throw new ConfigurationException(
                $"The file {identity.FilePath} is missing, and this host has been in service. Restore it, with the uuid that " +
                $"\"openstack resource provider list --name {identity.NodeName}\" shows.");
        }

        var nodes = await FindNodesAsync(context, cancellationToken);
        switch (nodes)
        {
            case [var only]:
                identity.Persist(only.Uuid);
                break;
            case []:
                // A service that registered and was stopped before it had a node.
                identity.Persist(Guid.NewGuid().ToString());
                break;
            default:
                throw new ConfigurationException(
                    $"There are {nodes.Count} compute nodes on record for host {options.Host}: write the right one's uuid into {identity.FilePath}.");
        }
    }

    private async Task<IReadOnlyList<ComputeNode>> FindNodesAsync(RequestContext context, CancellationToken cancellationToken)
    {
        try
        {
            return await conductor.GetComputeNodesByHostAsync(context, options.Host, cancellationToken);
        }
        catch (ComputeHostNotFoundException)
        {
            return [];
        }
    }

    private async Task RefuseStrayContainersAsync(CancellationToken cancellationToken)
    {
        var containers = await driver.ListAsync(cancellationToken);
        if (containers.Count > 0)
        {
            throw new ConfigurationException(
                $"There are {containers.Count} containers on this host (the first is {containers[0].Name}, {containers[0].Id}), but the control plane does " +
                $"not know the host {options.Host}. Was [DEFAULT] host or transport_url changed? If the containers are from an earlier installation, " +
                $"remove {options.InstancesDirectory} with the service and the supervisor stopped.");
        }
    }
}

/// <summary>The configuration files that were read, for what is looked for beside them.</summary>
internal sealed record ConfigurationFiles(IReadOnlyList<string> Paths)
{
    public IEnumerable<string> Folders => Paths.Select(p => Path.GetDirectoryName(Path.GetFullPath(p))!).Distinct();
}
