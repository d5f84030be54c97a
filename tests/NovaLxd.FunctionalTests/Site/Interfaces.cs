using System.Globalization;
using System.Text.RegularExpressions;
using Newtonsoft.Json.Linq;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>Attaching and detaching as the API asks for it, and what the guest sees of it.</summary>
internal static partial class Interfaces
{
    /// <returns>"Success" or "Error".</returns>
    public static Task<string> AttachAsync(this ComputeSite site, Server server, string? network = null, string? port = null, string? address = null, string? tag = null) =>
        site.ActAsync(server, "attach_interface", null, Wanted(network, port, address, tag));

    /// <returns>"Success" or "Error".</returns>
    public static Task<string> DetachAsync(this ComputeSite site, Server server, string port) =>
        site.ActAsync(server, "detach_interface", null, new JObject { ["port_id"] = port });

    public static JObject Wanted(string? network = null, string? port = null, string? address = null, string? tag = null) =>
        new() { ["network_id"] = network, ["port_id"] = port, ["requested_ip"] = address, ["tag"] = tag };

    /// <summary>The interfaces that the database says the server has, in order: port ids.</summary>
    public static async Task<string[]> CachedAsync(this ComputeSite site, Server server)
    {
        var cache = (string?)(await site.RowAsync(server))["info_cache"]!["nova_object.data"]!["network_info"];
        return [.. JArray.Parse(cache!).Select(vif => (string)vif["id"]!)];
    }

    /// <summary>What the only guest of the site has, by name: "eth0 eth2".</summary>
    public static async Task<string> GuestNamesAsync(this ComputeSite site) => string.Join(' ', (await GuestLinksAsync(site)).Select(link => link.Name));

    /// <summary>Ethernet interfaces of the only guest with their MAC addresses and MTUs, by name.</summary>
    public static async Task<IReadOnlyList<(string Name, string Mac, int Mtu)>> GuestLinksAsync(this ComputeSite site)
    {
        var init = Assert.Single(site.Guests());
        var links = await Command.RunAsync("nsenter", "-t", init.ToString(CultureInfo.InvariantCulture), "-n", "ip", "-o", "link", "show");
        return [.. Link().Matches(links).Select(m => (m.Groups[1].Value, m.Groups[3].Value, int.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture)))
            .OrderBy(link => link.Item1, StringComparer.Ordinal)];
    }

    public static string Mac(this ComputeSite site, string port) => (string)site.Plane.Cloud.Neutron.Ports[port]["mac_address"]!;

    [GeneratedRegex(@"^\d+: (eth\d+)[@:].* mtu (\d+) .*link/ether ([0-9a-f:]+)", RegexOptions.Multiline)]
    private static partial Regex Link();
}
