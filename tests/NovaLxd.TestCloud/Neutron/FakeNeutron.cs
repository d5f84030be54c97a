using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Newtonsoft.Json.Linq;
using NovaLxd.TestCloud.Http;
using NovaLxd.TestCloud.Keystone;

namespace NovaLxd.TestCloud.Neutron;

/// <summary>
/// Networking API v2.0 as a compute service uses it: networks, subnets, ports with addresses and bindings, security groups, floating IPs,
/// extensions, pages. As by Neutron's default policy, binding and provider fields are for admins.
/// </summary>
public sealed class FakeNeutron(FakeKeystone keystone) : AuthenticatedService("neutron", keystone)
{
    private static readonly string[] NotFilters = ["fields", "limit", "marker", "sort_key", "sort_dir", "page_reverse"];
    private static readonly string[] AdminFields = ["binding:host_id", "binding:vif_type", "binding:vif_details", "binding:profile"];

    private readonly NeutronState state = new();

    /// <summary>Aliases of the loaded extensions; changed by the test before it asks.</summary>
    public HashSet<string> Extensions { get; } =
    [
        "binding", "binding-extended", "security-group", "provider", "multi-provider", "net-mtu", "external-net", "router", "quotas",
        "auto-allocated-topology", "port-security", "allowed-address-pairs", "extra_dhcp_opt", "fip-port-details",
    ];

    /// <summary>pagination_max_limit; null: whole lists.</summary>
    public int? PageSize { get; set; }

    /// <summary>Networks of "auto" by project.</summary>
    public Dictionary<string, string> AutoAllocatedNetworks { get; } = [];

    /// <summary>Called, outside of the lock, when a port was bound to a host: the moment to report it up and send network-vif-plugged.</summary>
    public event Action<JObject>? PortBound;

    /// <summary>Called after a port was deleted.</summary>
    public event Action<JObject>? PortDeleted;

    public IReadOnlyDictionary<string, JObject> Ports
    {
        get
        {
            lock (State)
                return state.Ports.ToDictionary(p => p.Key, p => (JObject)p.Value.DeepClone());
        }
    }

    /// <summary>Ports a project may have.</summary>
    public int PortQuota
    {
        set
        {
            lock (State)
                state.PortQuota = value;
        }
    }

    /// <summary>A host with a live L2 agent; ports bound elsewhere get vif_type binding_failed.</summary>
    public void AddHost(string host, string vifType = "bridge", JObject? details = null)
    {
        lock (State)
            state.Hosts[host] = (vifType, details ?? new JObject { ["connectivity"] = "l2", ["port_filter"] = true });
    }

    public void RemoveHost(string host)
    {
        lock (State)
            state.Hosts.Remove(host);
    }

    /// <summary>A network with one IPv4 subnet. Returns its id.</summary>
    public string AddNetwork(string name, string project, string cidr = "10.77.0.0/24", JObject? properties = null)
    {
        lock (State)
        {
            var id = Guid.NewGuid().ToString();
            var network = new JObject
            {
                ["id"] = id,
                ["name"] = name,
                ["tenant_id"] = project,
                ["project_id"] = project,
                ["admin_state_up"] = true,
                ["mtu"] = 1450,
                ["status"] = "ACTIVE",
                ["subnets"] = new JArray(),
                ["shared"] = false,
                ["router:external"] = false,
                ["port_security_enabled"] = true,
                ["provider:network_type"] = "vxlan",
                ["provider:physical_network"] = null,
                ["provider:segmentation_id"] = 1000 + state.Networks.Count,
            };
            network.Merge(properties ?? []);
            state.Networks[id] = network;
            AddSubnetLocked(id, name, cidr, new JObject());
            return id;
        }
    }

    public string AddSubnet(string network, string name, string cidr, JObject? properties = null)
    {
        lock (State)
            return AddSubnetLocked(network, name, cidr, properties ?? []);
    }

    public string AddSecurityGroup(string name, string project)
    {
        lock (State)
            return (string)state.AddSecurityGroup(name, project)["id"]!;
    }

    /// <summary>A port somebody made beforehand. Returns its id.</summary>
    public string AddPort(string network, string project, JObject? properties = null)
    {
        lock (State)
        {
            var given = new JObject { ["network_id"] = network, ["tenant_id"] = project };
            given.Merge(properties ?? []);
            return (string)state.CreatePort(given, project)["id"]!;
        }
    }

    public string AddFloatingIp(string address, string portId, string project)
    {
        lock (State)
        {
            var id = Guid.NewGuid().ToString();
            state.FloatingIps[id] = new JObject
            {
                ["id"] = id,
                ["floating_ip_address"] = address,
                ["port_id"] = portId,
                ["tenant_id"] = project,
                ["project_id"] = project,
                ["fixed_ip_address"] = state.Port(portId)["fixed_ips"]![0]!["ip_address"],
                ["status"] = "ACTIVE",
                ["floating_network_id"] = Guid.NewGuid().ToString(),
            };
            return id;
        }
    }

    /// <summary>Deletes a port as its owner does.</summary>
    public void RemovePort(string port)
    {
        JObject removed;
        lock (State)
        {
            removed = state.Port(port);
            state.Ports.Remove(port);
            state.Bindings.Remove(port);
        }

        PortDeleted?.Invoke(removed);
    }

    /// <summary>What the L2 agent's report does.</summary>
    public void SetPortStatus(string port, string status)
    {
        lock (State)
            state.Port(port)["status"] = status;
    }

    protected override string ErrorBody(HttpContext context, int status, string message, string code) => new JObject
    {
        ["NeutronError"] = new JObject { ["type"] = code.Length > 0 ? code : "HTTPError", ["message"] = message, ["detail"] = "" },
    }.ToString();

    protected override void Map(IEndpointRouteBuilder routes)
    {
        Route(routes, "GET", "/v2.0/extensions", _ => (200, new JObject
        {
            ["extensions"] = new JArray(Extensions.Select(e => new JObject { ["alias"] = e, ["name"] = e, ["description"] = "", ["links"] = new JArray() })),
        }));
        MapPorts(routes);
        MapBindings(routes);
        Route(routes, "GET", "/v2.0/networks", request => List(request, "networks", state.Networks.Values.Where(n => Visible(request, n))));
        Route(routes, "GET", "/v2.0/networks/{id}", request => (200, new JObject
        {
            ["network"] = View(request, state.Networks.GetValueOrDefault(request["id"])
                ?? throw new ServiceFailureException(404, $"Network {request["id"]} could not be found.", "NetworkNotFound")),
        }));
        Route(routes, "GET", "/v2.0/subnets", request => List(request, "subnets", state.Subnets.Values));
        Route(routes, "GET", "/v2.0/security-groups", request =>
        {
            if (request.Query("tenant_id") is { } project)
                state.DefaultSecurityGroup(project);
            return List(request, "security_groups", state.SecurityGroups.Values);
        });
        Route(routes, "GET", "/v2.0/floatingips", request => Extensions.Contains("router")
            ? List(request, "floatingips", state.FloatingIps.Values)
            : throw new ServiceFailureException(404, "The resource could not be found.", "HTTPNotFound"));
        Route(routes, "PUT", "/v2.0/floatingips/{id}", request =>
        {
            var floating = state.FloatingIps.GetValueOrDefault(request["id"])
                ?? throw new ServiceFailureException(404, $"Floating IP {request["id"]} could not be found", "FloatingIPNotFound");
            var portId = (string?)request.Json["floatingip"]!["port_id"];
            floating["port_id"] = portId;
            floating["fixed_ip_address"] = portId is null ? null : state.Port(portId)["fixed_ips"]![0]!["ip_address"];
            return (200, new JObject { ["floatingip"] = floating });
        });
        Route(routes, "GET", "/v2.0/auto-allocated-topology/{project}", request => AutoAllocatedNetworks.TryGetValue(request["project"], out var network)
            ? (200, new JObject { ["auto_allocated_topology"] = new JObject { ["id"] = network, ["tenant_id"] = request["project"] } })
            : throw new ServiceFailureException(404, "No default router:external network", "AutoAllocationFailure"));
    }

    private void MapPorts(IEndpointRouteBuilder routes)
    {
        Route(routes, "GET", "/v2.0/ports", request => List(request, "ports", state.Ports.Values.Where(p => Visible(request, p))));
        Route(routes, "GET", "/v2.0/ports/{id}", request => (200, new JObject { ["port"] = View(request, Own(request)) }));
        Route(routes, "POST", "/v2.0/ports", request =>
        {
            var given = (JObject)request.Json["port"]!;
            CheckPolicy(request, given);
            var port = state.CreatePort(given, Token(request).ProjectId);
            if ((string?)port["binding:host_id"] != "")
                Announce(request, PortBound, port);
            return (201, new JObject { ["port"] = View(request, port) });
        });
        Route(routes, "PUT", "/v2.0/ports/{id}", request =>
        {
            var port = Own(request);
            var changes = (JObject)request.Json["port"]!;
            CheckPolicy(request, changes);
            if (state.UpdatePort(port, changes))
                Announce(request, PortBound, port);
            return (200, new JObject { ["port"] = View(request, port) });
        });
        Route(routes, "DELETE", "/v2.0/ports/{id}", request =>
        {
            var port = Own(request);
            state.Ports.Remove(request["id"]);
            state.Bindings.Remove(request["id"]);
            Announce(request, PortDeleted, port);
            return (204, null);
        });
    }

    private void MapBindings(IEndpointRouteBuilder routes)
    {
        const string Bindings = "/v2.0/ports/{id}/bindings";
        Route(routes, "GET", Bindings, request =>
        {
            state.ComputePort(request["id"]);
            return (200, new JObject { ["bindings"] = new JArray(state.Bindings.GetValueOrDefault(request["id"])?.Values.ToArray() ?? []) });
        });
        Route(routes, "POST", Bindings, request =>
            (201, new JObject { ["binding"] = state.CreateBinding(request["id"], (JObject)request.Json["binding"]!) }));
        Route(routes, "GET", Bindings + "/{host}", request => (200, new JObject { ["binding"] = state.Binding(request["id"], request["host"]) }));
        Route(routes, "PUT", Bindings + "/{host}/activate", request =>
        {
            var binding = state.ActivateBinding(request["id"], request["host"]);
            Announce(request, PortBound, state.Port(request["id"]));
            return (200, new JObject { ["binding"] = binding });
        });
        Route(routes, "DELETE", Bindings + "/{host}", request =>
        {
            state.Binding(request["id"], request["host"]);
            state.Bindings[request["id"]].Remove(request["host"]);
            return (204, null);
        });
    }

    /// <summary>Runs a listener after the answer has been sent and the lock is free.</summary>
    private static void Announce(FakeRequest request, Action<JObject>? listener, JObject port)
    {
        var copy = (JObject)port.DeepClone();
        request.Context.Response.OnCompleted(() =>
        {
            listener?.Invoke(copy);
            return Task.CompletedTask;
        });
    }

    private JObject Own(FakeRequest request)
    {
        var port = state.Port(request["id"]);
        return Visible(request, port) ? port : throw new ServiceFailureException(404, $"Port {request["id"]} could not be found.", "PortNotFound");
    }

    private static bool Visible(FakeRequest request, JObject item) =>
        Token(request).IsAdmin || (string?)item["project_id"] == Token(request).ProjectId || (bool?)item["shared"] == true || (bool?)item["router:external"] == true;

    private static void CheckPolicy(FakeRequest request, JObject port)
    {
        if (!Token(request).IsAdmin && port.Properties().FirstOrDefault(p => AdminFields.Contains(p.Name)) is { } field)
            throw new ServiceFailureException(403, $"(rule:update_port and rule:update_port:{field.Name}) is disallowed by policy", "PolicyNotAuthorized");
    }

    private (int, JToken?) List(FakeRequest request, string name, IEnumerable<JObject> items)
    {
        var filters = request.Context.Request.Query.Where(q => !NotFilters.Contains(q.Key)).ToList();
        var found = items.Where(i => filters.All(f => f.Value.Any(v => NeutronState.FieldEquals(i[f.Key], v!)))).ToList();
        var body = new JObject();
        var limit = PageSize ?? int.MaxValue;
        if (request.Query("marker") is { } marker)
            found = found.SkipWhile(i => (string?)i["id"] != marker).Skip(1).ToList();
        if (found.Count > limit)
        {
            found = found.Take(limit).ToList();
            body[name + "_links"] = new JArray(new JObject { ["rel"] = "next", ["href"] = $"{Url}/v2.0/{name}?limit={limit}&marker={found[^1]["id"]}" });
        }

        body[name] = new JArray(found.Select(i => View(request, i)));
        return (200, body);
    }

    private static JObject View(FakeRequest request, JObject item)
    {
        var fields = request.QueryAll("fields");
        var isAdmin = Token(request).IsAdmin;
        return new JObject(item.Properties().Where(p =>
            (fields.Count == 0 || fields.Contains(p.Name))
            && (isAdmin || !(AdminFields.Contains(p.Name) || p.Name.StartsWith("provider:", StringComparison.Ordinal)))));
    }

    private string AddSubnetLocked(string network, string name, string cidr, JObject properties)
    {
        var id = Guid.NewGuid().ToString();
        var prefix = cidr.Split('/')[0];
        var subnet = new JObject
        {
            ["id"] = id,
            ["name"] = name,
            ["network_id"] = network,
            ["cidr"] = cidr,
            ["enable_dhcp"] = true,
            ["dns_nameservers"] = new JArray(),
            ["host_routes"] = new JArray(),
            ["tenant_id"] = state.Networks[network]["tenant_id"],
            ["project_id"] = state.Networks[network]["project_id"],
            ["ipv6_ra_mode"] = null,
            ["ipv6_address_mode"] = null,
        };
        if (prefix.Contains(':', StringComparison.Ordinal))
        {
            subnet.Merge(new JObject { ["ip_version"] = 6, ["gateway_ip"] = prefix + "1", ["allocation_pools"] = Pool(prefix + "2", prefix + "ffff") });
        }
        else
        {
            var three = prefix[..prefix.LastIndexOf('.')];
            subnet.Merge(new JObject { ["ip_version"] = 4, ["gateway_ip"] = three + ".1", ["allocation_pools"] = Pool(three + ".2", three + ".254") });
        }

        subnet.Merge(properties, new JsonMergeSettings { MergeArrayHandling = MergeArrayHandling.Replace });
        state.Subnets[id] = subnet;
        ((JArray)state.Networks[network]["subnets"]!).Add(id);
        return id;

        static JArray Pool(string start, string end) => [new JObject { ["start"] = start, ["end"] = end }];
    }
}
