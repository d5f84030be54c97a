using Newtonsoft.Json.Linq;

namespace NovaLxd.TestCloud.Conductor;

public sealed partial class FakeConductor
{
    public List<JObject> Services { get; } = [];

    public List<JObject> ComputeNodes { get; } = [];

    public List<JObject> Migrations { get; } = [];

    public List<JObject> PciDevices { get; } = [];

    /// <summary>Primitives of server groups.</summary>
    public List<JObject> InstanceGroups { get; } = [];

    private JObject CreateService(JObject sent)
    {
        RefuseTooOld(sent);
        if (Services.Exists(s => (string?)s["host"] == (string?)sent["host"] && (string?)s["binary"] == (string?)sent["binary"]))
        {
            throw ConductorFailureException.Nova("ServiceBinaryExists", $"Service with host {sent["host"]} binary {sent["binary"]} exists.");
        }

        return Create(Services, sent, new JObject
        {
            ["uuid"] = Guid.NewGuid().ToString(),
            ["disabled"] = false,
            ["disabled_reason"] = null,
            ["last_seen_up"] = null,
            ["forced_down"] = false,
        });
    }

    private JObject SaveService(JObject sent, IReadOnlySet<string> changes)
    {
        RefuseTooOld(sent);
        var updates = SaveRow(Services, sent, changes, "ServiceNotFound");
        if (changes.Contains("report_count"))
        {
            var row = Services.Find(s => (int)s["id"]! == (int)sent["id"]!)!;
            row["last_seen_up"] = Now();
            updates["last_seen_up"] = Now();
        }

        return updates;
    }

    private void RefuseTooOld(JObject service)
    {
        if ((int?)service["version"] < Release.OldestCompute)
        {
            throw ConductorFailureException.Nova("ServiceTooOld",
                $"Version {service["version"]} is below {Release.OldestCompute}, the oldest that is accepted.");
        }
    }

    private JObject CreateComputeNode(JObject sent)
    {
        if (ComputeNodes.Exists(n => (sent["uuid"] is { } uuid && JToken.DeepEquals(n["uuid"], uuid))
            || ((string?)n["host"] == (string?)sent["host"] && (string?)n["hypervisor_hostname"] == (string?)sent["hypervisor_hostname"])))
        {
            throw ConductorFailureException.Nova("DuplicateRecord", "Unable to create duplicate record for compute_node");
        }

        return Create(ComputeNodes, sent, new JObject { ["uuid"] = Guid.NewGuid().ToString(), ["mapped"] = 0 });
    }

    private JToken? HostQuery(string name, JArray args, JObject kwargs, JObject context)
    {
        switch (name)
        {
            case "Service.get_minimum_version":
                return (string?)args[0] == "nova-conductor"
                    ? Release.ServiceVersion
                    : Services.Where(s => (string?)s["binary"] == (string?)args[0] && (bool?)s["forced_down"] != true).Select(s => (int)s["version"]!).DefaultIfEmpty(0).Min();
            case "Service.get_by_host_and_binary":
                return FindService(s => (string?)s["host"] == (string?)args[0] && (string?)s["binary"] == (string?)args[1]);
            case "Service.get_by_compute_host":
                return FindService(s => (string?)s["host"] == (string?)args[0] && (string?)s["binary"] == "nova-compute") ?? throw NoHost(args[0]);
            case "ComputeNode.get_by_host_and_nodename":
                return Node(n => (string?)n["host"] == (string?)args[0] && (string?)n["hypervisor_hostname"] == (string?)args[1]) ?? throw NoHost(args[0]);
            case "ComputeNode.get_by_uuid":
                return Node(n => (string?)n["uuid"] == (string?)args[0]) ?? throw NoHost(args[0]);
            case "ComputeNodeList.get_all_by_host":
                var nodes = ComputeNodes.Where(n => (string?)n["host"] == (string?)args[0])
                    .Select(n => Primitives.Make("ComputeNode", "1.19", (JObject)n.DeepClone())).ToList();
                return nodes.Count == 0 ? throw NoHost(args[0]) : Primitives.List("ComputeNodeList", "1.17", nodes);
            case "PciDeviceList.get_by_compute_node":
                return Primitives.List("PciDeviceList", "1.3", PciDevices.Select(d => (JObject)d.DeepClone()));
            case "ConsoleAuthToken.clean_console_auths_for_instance":
                return null;
            case "InstanceGroup.get_by_uuid" or "InstanceGroup.get_by_name":
                var key = name.EndsWith("uuid", StringComparison.Ordinal) ? "uuid" : "name";
                return InstanceGroups.Find(g => (string?)Primitives.Data(g)[key] == (string?)args[0])
                    ?? throw ConductorFailureException.Nova("InstanceGroupNotFound", $"Instance group {args[0]} could not be found.", 404);
            default:
                return MigrationQuery(name, args);
        }
    }

    /// <summary>Hosts of the members that the sent object names, less those excluded.</summary>
    private JArray GroupHosts(JObject group, JObject kwargs)
    {
        var members = group["members"]!.Select(m => (string)m!).Except((kwargs["exclude"] as JArray ?? []).Select(m => (string)m!)).ToHashSet();
        return new JArray(Living(i => members.Contains((string)i["uuid"]!)).Select(i => (string?)i["host"]).OfType<string>().Distinct());
    }

    private JObject MigrationQuery(string name, JArray args)
    {
        string[] over = ["confirmed", "reverted", "error", "failed", "completed", "cancelled", "done"];
        JObject Make(JObject row) => Primitives.Make("Migration", Release.Versions["Migration"], (JObject)row.DeepClone());
        bool On(JObject m, JToken host, JToken node) =>
            ((string?)m["source_compute"] == (string?)host && (string?)m["source_node"] == (string?)node)
            || ((string?)m["dest_compute"] == (string?)host && (string?)m["dest_node"] == (string?)node);
        switch (name)
        {
            case "Migration.get_by_id":
                return Make(Migrations.Find(m => (int)m["id"]! == (int)args[0]!)
                    ?? throw ConductorFailureException.Nova("MigrationNotFound", $"Migration {args[0]} could not be found.", 404));
            case "Migration.get_by_instance_and_status":
                return Make(Migrations.Find(m => (string?)m["instance_uuid"] == (string?)args[0] && (string?)m["status"] == (string?)args[1])
                    ?? throw ConductorFailureException.Nova("MigrationNotFoundByStatus", $"Migration not found for instance {args[0]} with status {args[1]}.", 404));
        }

        var rows = name switch
        {
            "MigrationList.get_by_filters" => Migrations.Where(m => Matches(m, Without((JObject)args[0]!, "host"))
                && (args[0]!["host"] is not { } host || new[] { (string?)m["source_compute"], (string?)m["dest_compute"] }.Contains((string?)host))),
            // Without the window, which tests need not wait for.
            "MigrationList.get_unconfirmed_by_dest_compute" => Migrations.Where(m => (string?)m["status"] == "finished" && (string?)m["dest_compute"] == (string?)args[1]),
            "MigrationList.get_in_progress_and_error" => Migrations.Where(m =>
                On(m, args[0]!, args[1]!) && ((string?)m["status"] == "error" || !over.Contains((string?)m["status"]))),
            "MigrationList.get_in_progress_by_host_and_node" => Migrations.Where(m => On(m, args[0]!, args[1]!) && !over.Contains((string?)m["status"])),
            _ => throw NoSuchMethod(name),
        };
        return Primitives.List("MigrationList", "1.5", rows.Select(Make));
    }

    private static JObject Without(JObject filters, string name)
    {
        var others = (JObject)filters.DeepClone();
        others.Remove(name);
        return others;
    }

    private JObject? FindService(Func<JObject, bool> predicate) =>
        Services.FirstOrDefault(predicate) is { } row ? Primitives.Make("Service", "1.22", (JObject)row.DeepClone()) : null;

    private JObject? Node(Func<JObject, bool> predicate) =>
        ComputeNodes.FirstOrDefault(predicate) is { } row ? Primitives.Make("ComputeNode", "1.19", (JObject)row.DeepClone()) : null;

    private static ConductorFailureException NoHost(JToken host) =>
        ConductorFailureException.Nova("ComputeHostNotFound", $"Compute host {host} could not be found.", 404, new JObject { ["host"] = host.DeepClone() });
}
