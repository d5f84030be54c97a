using System.Globalization;
using System.Net;
using Newtonsoft.Json.Linq;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.TestCloud.Neutron;

/// <summary>Neutron's objects and rules without HTTP: addresses, quota, bindings.</summary>
internal sealed class NeutronState
{
    public Dictionary<string, JObject> Networks { get; } = [];
    public Dictionary<string, JObject> Subnets { get; } = [];
    public Dictionary<string, JObject> Ports { get; } = [];
    public Dictionary<string, JObject> SecurityGroups { get; } = [];
    public Dictionary<string, JObject> FloatingIps { get; } = [];

    /// <summary>Host name to vif_type and vif_details: hosts with a live L2 agent.</summary>
    public Dictionary<string, (string VifType, JObject Details)> Hosts { get; } = [];

    /// <summary>Port to host to binding.</summary>
    public Dictionary<string, Dictionary<string, JObject>> Bindings { get; } = [];

    public int PortQuota { get; set; } = int.MaxValue;

    private int macs;

    public JObject Port(string id) => Ports.GetValueOrDefault(id) ?? throw new ServiceFailureException(404, $"Port {id} could not be found.", "PortNotFound");

    public JObject CreatePort(JObject given, string callerProject)
    {
        var networkId = (string?)given["network_id"] ?? throw new ServiceFailureException(400, "Failed to parse request. Required attribute 'network_id' not specified", "HTTPBadRequest");
        if (!Networks.ContainsKey(networkId))
            throw new ServiceFailureException(404, $"Network {networkId} could not be found.", "NetworkNotFound");
        var project = (string?)given["tenant_id"] ?? (string?)given["project_id"] ?? callerProject;
        if (Ports.Values.Count(p => (string?)p["project_id"] == project) >= PortQuota)
            throw new ServiceFailureException(409, "Quota exceeded for resources: ['port'].", "OverQuota");
        var mac = (string?)given["mac_address"] ?? $"fa:16:3e:00:{++macs >> 8:x2}:{macs & 0xff:x2}";
        if (Ports.Values.Any(p => (string?)p["mac_address"] == mac && (string?)p["network_id"] == networkId))
            throw new ServiceFailureException(409, $"Unable to complete operation for network {networkId}. The mac address {mac} is in use.", "MacAddressInUse");

        var id = (string?)given["id"] ?? Guid.NewGuid().ToString();
        var port = new JObject
        {
            ["id"] = id,
            ["name"] = "",
            ["network_id"] = networkId,
            ["tenant_id"] = project,
            ["project_id"] = project,
            ["mac_address"] = mac,
            ["admin_state_up"] = true,
            ["status"] = "DOWN",
            ["device_id"] = "",
            ["device_owner"] = "",
            ["port_security_enabled"] = true,
            ["fixed_ips"] = Allocate(networkId, given["fixed_ips"] as JArray, null),
            ["security_groups"] = SecurityGroupsFor(project, given["security_groups"] as JArray),
            ["allowed_address_pairs"] = new JArray(),
            ["extra_dhcp_opts"] = new JArray(),
            ["description"] = "",
            ["tags"] = new JArray(),
            ["revision_number"] = 1,
            ["binding:vnic_type"] = "normal",
            ["binding:profile"] = new JObject(),
            ["binding:host_id"] = "",
            ["binding:vif_type"] = "unbound",
            ["binding:vif_details"] = new JObject(),
        };
        foreach (var (name, value) in given)
        {
            if (name is not ("fixed_ips" or "security_groups" or "tenant_id" or "project_id"))
                port[name] = value?.DeepClone();
        }

        Ports[id] = port;
        Bind(port, (string?)port["binding:host_id"]);
        return port;
    }

    /// <summary>Returns whether the port was bound to another host by this.</summary>
    public bool UpdatePort(JObject port, JObject changes)
    {
        var bound = (string?)port["binding:host_id"];
        if ((string?)changes["mac_address"] is { } mac && Ports.Values.Any(p => p != port && (string?)p["mac_address"] == mac))
            throw new ServiceFailureException(409, $"Unable to complete operation. The mac address {mac} is in use.", "MacAddressInUse");
        if (changes["fixed_ips"] is JArray addresses)
            port["fixed_ips"] = Allocate((string)port["network_id"]!, addresses, (string)port["id"]!);
        foreach (var (name, value) in changes)
        {
            if (name == "fixed_ips")
                continue;
            port[name] = (name, value?.Type) switch
            {
                ("binding:host_id", JTokenType.Null) => "",
                ("binding:profile", JTokenType.Null) => new JObject(),
                _ => value?.DeepClone(),
            };
        }

        port["revision_number"] = (int)port["revision_number"]! + 1;
        if (!changes.ContainsKey("binding:host_id") || (string?)port["binding:host_id"] == bound)
            return false;
        port["status"] = "DOWN";
        Bind(port, (string?)port["binding:host_id"]);
        return (string?)port["binding:host_id"] != "";
    }

    public JObject Binding(string portId, string host)
    {
        ComputePort(portId);
        return Bindings.GetValueOrDefault(portId)?.GetValueOrDefault(host)
            ?? throw new ServiceFailureException(404, $"Binding for port {portId} for host {host} could not be found.", "PortBindingNotFound");
    }

    /// <summary>Bindings can be asked for and made on ports of instances only.</summary>
    public JObject ComputePort(string id) => ((string?)Port(id)["device_owner"])?.StartsWith("compute:", StringComparison.Ordinal) == true
        ? Port(id)
        : throw new ServiceFailureException(400, $"Bad port request: Invalid port {id}. Operation only valid on compute ports.", "BadRequest");

    public JObject CreateBinding(string portId, JObject given)
    {
        ComputePort(portId);
        var host = (string)given["host"]!;
        var bindings = Bindings.TryGetValue(portId, out var found) ? found : Bindings[portId] = [];
        if (bindings.ContainsKey(host))
            throw new ServiceFailureException(409, $"Binding for port {portId} on host {host} already exists.", "PortBindingAlreadyExists");
        var (type, details) = VifFor(host);
        if (type == "binding_failed")
            throw new ServiceFailureException(500, $"Binding for port {portId} on host {host} could not be created or updated.", "PortBindingError");
        return bindings[host] = new JObject
        {
            ["host"] = host,
            ["status"] = "INACTIVE",
            ["vif_type"] = type,
            ["vif_details"] = details,
            ["vnic_type"] = given["vnic_type"] ?? "normal",
            ["profile"] = given["profile"] ?? new JObject(),
        };
    }

    public JObject ActivateBinding(string portId, string host)
    {
        var binding = Binding(portId, host);
        if ((string?)binding["status"] == "ACTIVE")
            throw new ServiceFailureException(409, $"Binding for port {portId} on host {host} is already active.", "PortBindingAlreadyActive");
        foreach (var other in Bindings[portId].Values)
            other["status"] = "INACTIVE";
        binding["status"] = "ACTIVE";
        var port = Port(portId);
        port["binding:host_id"] = host;
        port["binding:vif_type"] = binding["vif_type"];
        port["binding:vif_details"] = binding["vif_details"];
        return binding;
    }

    public string DefaultSecurityGroup(string project)
    {
        var found = SecurityGroups.Values.FirstOrDefault(g => (string?)g["project_id"] == project && (string?)g["name"] == "default");
        return (string)(found ?? AddSecurityGroup("default", project))["id"]!;
    }

    public JObject AddSecurityGroup(string name, string project)
    {
        var id = Guid.NewGuid().ToString();
        return SecurityGroups[id] = new JObject { ["id"] = id, ["name"] = name, ["tenant_id"] = project, ["project_id"] = project, ["security_group_rules"] = new JArray() };
    }

    /// <summary>The active binding follows binding:host_id; a host without a live agent leaves vif_type binding_failed, with status 200.</summary>
    private void Bind(JObject port, string? host)
    {
        var id = (string)port["id"]!;
        if (string.IsNullOrEmpty(host))
        {
            Bindings.Remove(id);
            port["binding:vif_type"] = "unbound";
            port["binding:vif_details"] = new JObject();
            return;
        }

        var (type, details) = VifFor(host);
        port["binding:vif_type"] = type;
        port["binding:vif_details"] = details;
        Bindings[id] = new()
        {
            [host] = new JObject
            {
                ["host"] = host,
                ["status"] = "ACTIVE",
                ["vif_type"] = type,
                ["vif_details"] = details.DeepClone(),
                ["vnic_type"] = port["binding:vnic_type"],
                ["profile"] = port["binding:profile"]?.DeepClone(),
            },
        };
    }

    private (string Type, JObject Details) VifFor(string host) =>
        Hosts.TryGetValue(host, out var found) ? (found.VifType, (JObject)found.Details.DeepClone()) : ("binding_failed", new JObject());

    private JArray SecurityGroupsFor(string project, JArray? asked)
    {
        if (asked is null)
            return [DefaultSecurityGroup(project)];
        if (asked.FirstOrDefault(g => !SecurityGroups.ContainsKey((string)g!)) is { } unknown)
            throw new ServiceFailureException(404, $"Security group {unknown} does not exist", "SecurityGroupNotFound");
        return (JArray)asked.DeepClone();
    }

    /// <summary>Addresses asked for, or the next free one of each first subnet per IP version.</summary>
    private JArray Allocate(string network, JArray? asked, string? portId)
    {
        var subnets = Subnets.Values.Where(s => (string?)s["network_id"] == network).ToList();
        if (asked is null)
            return new JArray(subnets.GroupBy(s => (int)s["ip_version"]!).Select(g => Address(g.First(), NextFree(g.First()))));
        var result = new JArray();
        foreach (var one in asked)
        {
            var subnet = (string?)one["subnet_id"] is { } id ? subnets.Find(s => (string?)s["id"] == id) : null;
            if ((string?)one["ip_address"] is { } text)
            {
                subnet ??= subnets.Find(s => IPNetwork.Parse((string)s["cidr"]!).Contains(IPAddress.Parse(text)))
                    ?? throw new ServiceFailureException(400, $"IP address {text} is not a valid IP for any of the subnets on the specified network.", "InvalidIpForNetwork");
                if (InUse(subnet, portId).Contains(text))
                    throw new ServiceFailureException(409, $"IP address {text} already allocated in subnet {subnet["id"]}", "IpAddressAlreadyAllocated");
                result.Add(Address(subnet, text));
            }
            else
            {
                subnet ??= subnets.FirstOrDefault() ?? throw new ServiceFailureException(400, "Network requires a subnet.", "InvalidInput");
                result.Add(Address(subnet, NextFree(subnet)));
            }
        }

        return result;
    }

    private static JObject Address(JObject subnet, string address) => new() { ["subnet_id"] = subnet["id"], ["ip_address"] = address };

    private HashSet<string> InUse(JObject subnet, string? exceptPort) =>
    [
        .. Ports.Values.Where(p => (string?)p["id"] != exceptPort).SelectMany(p => p["fixed_ips"]!)
            .Where(f => (string?)f["subnet_id"] == (string?)subnet["id"]).Select(f => (string)f["ip_address"]!),
    ];

    private string NextFree(JObject subnet)
    {
        var used = InUse(subnet, null);
        var pool = subnet["allocation_pools"]![0]!;
        var end = IPAddress.Parse((string)pool["end"]!);
        for (var address = IPAddress.Parse((string)pool["start"]!); ; address = Following(address))
        {
            if (!used.Contains(address.ToString()))
                return address.ToString();
            if (address.Equals(end))
                throw new ServiceFailureException(409, "No more IP addresses available on network.", "IpAddressGenerationFailure");
        }
    }

    private static IPAddress Following(IPAddress address)
    {
        var bytes = address.GetAddressBytes();
        for (var i = bytes.Length - 1; ++bytes[i] == 0; i--)
        {
        }

        return new IPAddress(bytes);
    }

    /// <summary>Compares as Neutron's query filters do: true and True are the same, lists of ids match any.</summary>
    public static bool FieldEquals(JToken? field, string wanted) => field switch
    {
        null => false,
        { Type: JTokenType.Boolean } => string.Equals(((bool)field).ToString(CultureInfo.InvariantCulture), wanted, StringComparison.OrdinalIgnoreCase),
        _ => string.Equals(field.ToString(), wanted, StringComparison.Ordinal),
    };
}
