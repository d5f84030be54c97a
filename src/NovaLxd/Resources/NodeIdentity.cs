using System.Net;
using NovaLxd.Configuration;
using NovaLxd.Objects;

namespace NovaLxd.Resources;

/// <summary>
/// Who this host is for good: the node's uuid in the file <c>compute_id</c> and its name (nova/virt/node.py). The file is looked for beside the
/// configuration files and in state_path, and made in state_path when there is none.
/// </summary>
internal sealed class NodeIdentity
{
    private const string FileName = "compute_id";

    private readonly string _host;
    private string? _uuid;

    public NodeIdentity(ServiceOptions service, LxdOptions lxd)
    {
        _host = service.Host;
        NodeName = lxd.HypervisorHostname is { Length: > 0 } name ? name : FullyQualifiedName();
        FilePath = Path.Combine(service.StatePath, FileName);
    }

    /// <summary>hypervisor_hostname and the name of the Placement provider.</summary>
    public string NodeName { get; }

    public string FilePath { get; }

    /// <exception cref="InvalidOperationException">Asked before <see cref="Load"/>.</exception>
    public string Uuid => _uuid ?? throw new InvalidOperationException("The node's uuid has not been loaded.");

    /// <summary>Reads the file; null when there is none.</summary>
    /// <exception cref="ConfigurationException">It holds no uuid, or two copies disagree.</exception>
    public string? Load(IEnumerable<string> configurationFolders)
    {
        var found = configurationFolders.Select(f => Path.Combine(f, FileName)).Append(FilePath).Distinct().Where(File.Exists)
            .Select(path => (path, uuid: Read(path))).ToList();
        if (found.Select(f => f.uuid).Distinct().Count() > 1)
        {
            throw new ConfigurationException(
                $"The node's uuid is not clear: {string.Join(", ", found.Select(f => $"{f.path} says {f.uuid}"))}. Keep the one that Placement knows.");
        }

        return _uuid = found.Count > 0 ? found[0].uuid : null;
    }

    /// <summary>Gives the node its uuid, once: an existing file is never overwritten.</summary>
    public void Persist(string uuid)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(FilePath)!);
        using (var file = new FileStream(FilePath, FileMode.CreateNew, FileAccess.Write))
        using (var writer = new StreamWriter(file))
        {
            writer.WriteLine(uuid);
            writer.Flush();
            file.Flush(flushToDisk: true);
        }

        _uuid = uuid;
    }

    /// <exception cref="ConfigurationException">The row names another host or node: one of the two was renamed, and its instances would be lost.</exception>
    public void Check(ComputeNode node)
    {
        if (node.Host != _host || node.HypervisorHostname != NodeName)
        {
            throw new ConfigurationException(
                $"Possible rename detected: the node {Uuid} is recorded as {node.HypervisorHostname} on host {node.Host}, and this is {NodeName} on {_host}. " +
                "Set [DEFAULT] host and [lxd] hypervisor_hostname to what is recorded, or, on a copied machine, remove " + FileName + ".");
        }
    }

    private static string Read(string path)
    {
        var text = File.ReadAllText(path).Trim();
        return Guid.TryParse(text, out var uuid) ? uuid.ToString() : throw new ConfigurationException($"{path} does not hold a uuid but \"{text}\".");
    }

    private static string FullyQualifiedName()
    {
        try
        {
            return Dns.GetHostEntry(Dns.GetHostName()).HostName;
        }
        catch (System.Net.Sockets.SocketException)
        {
            return Environment.MachineName;
        }
    }
}
