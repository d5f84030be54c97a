using System.Text;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>
/// What a guest needs to find names, for images that bring neither it nor cloud-init, which would make it: written once, before the first boot. The host name itself is
/// set at every start. Pure.
/// </summary>
internal static class GuestFiles
{
    /// <summary>As many as the resolver takes (resolv.conf(5), MAXNS).</summary>
    private const int MaxNameservers = 3;

    private static readonly string[] CloudInit = ["/usr/bin/cloud-init", "/etc/cloud/cloud.cfg"];

    /// <summary>(1) hosts, by which the guest knows itself, as Debian has it (2) resolv.conf, where the networks name servers; DHCP, which may know others, replaces it.</summary>
    public static IReadOnlyList<InjectedFile> From(string hostname, NetworkInfo networkInfo)
    {
        // (1)
        var hosts = $"127.0.0.1 localhost\n127.0.1.1 {hostname}\n::1 localhost ip6-localhost ip6-loopback\n";
        var files = new List<InjectedFile> { new("/etc/hosts", Encoding.UTF8.GetBytes(hosts)) { UnlessThere = CloudInit } };

        // (2)
        var servers = networkInfo.Vifs.SelectMany(vif => vif.Network?.Subnets ?? []).SelectMany(subnet => subnet.Dns)
            .Select(server => server.Address).OfType<string>().Distinct().Take(MaxNameservers).ToList();
        if (servers.Count > 0)
        {
            files.Add(new("/etc/resolv.conf", Encoding.UTF8.GetBytes(string.Concat(servers.Select(server => $"nameserver {server}\n")))) { UnlessThere = CloudInit });
        }

        return files;
    }
}
