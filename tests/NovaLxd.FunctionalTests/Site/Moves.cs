using System.Globalization;
using Newtonsoft.Json.Linq;
using NovaLxd.Tests.Transfer;

namespace NovaLxd.FunctionalTests.Site;

internal enum Programs
{
    None,
    Source,
    Target,
}

/// <summary>Two hosts with a channel between them, and what API, conductor and scheduler do for a move from the first to the second.</summary>
internal sealed class Moves : IAsyncDisposable
{
    private static int _lastId;
    private readonly string _folder;
    private readonly TestAuthority _authority;

    private Moves(string folder) => (_folder, _authority) = (folder, new TestAuthority(folder, "cloud"));

    public ComputeSite Source { get; private set; } = null!;

    public ComputeSite Target { get; private set; } = null!;

    /// <param name="broker">Between them.</param>
    /// <param name="open">Whether the second host has certificates.</param>
    /// <param name="programs">Which of the hosts run as programs of their own, to be killed.</param>
    public static async Task<Moves> StartAsync(Broker broker, bool open = true, Programs programs = Programs.None)
    {
        var moves = new Moves(Directory.CreateTempSubdirectory("nlf").FullName);
        moves.Source = await ComputeSite.StartAsync(broker.Rabbit, run: false);
        try
        {
            await moves.StartAsync(moves.Source, "127.0.0.1", programs == Programs.Source);
            moves.Target = moves.Source.MakeBeside(broker.Rabbit, moves.Settings("second", "127.0.0.2", open, 7_000_000));
            moves.Sign("second", moves.Target.Mark);
            await RunAsync(moves.Target, programs == Programs.Target);
            return moves;
        }
        catch
        {
            await moves.DisposeAsync();
            throw;
        }
    }

    /// <summary>Asks for a move; does not wait. Returns the migration's row.</summary>
    public async Task<JObject> RequestAsync(Server server, JObject? flavor = null)
    {
        var row = await Source.RowAsync(server);
        var old = (JObject)row["flavor"]!;
        var next = flavor ?? old;
        var migration = (JObject)Resizes.Recording["prep_resize"]!["migration"]!["nova_object.data"]!.DeepClone();
        (migration["id"], migration["uuid"], migration["instance_uuid"]) = (9000 + Interlocked.Increment(ref _lastId), Guid.NewGuid().ToString(), server.Uuid);
        (migration["source_compute"], migration["source_node"]) = (Source.Mark, Source.Node);
        (migration["dest_compute"], migration["dest_node"], migration["status"]) = (Target.Mark, Target.Node, "accepted");
        migration["migration_type"] = flavor is null ? "migration" : "resize";
        migration["old_instance_type_id"] = old["nova_object.data"]!["id"];
        migration["new_instance_type_id"] = next["nova_object.data"]!["id"];
        Source.Plane.Conductor.Locked(c => { c.Migrations.Add(migration); return 0; });
        Allocate((string)migration["uuid"]!, Source, old);
        Allocate(server.Uuid, Target, next);

        var arguments = (JObject)Resizes.Recording["prep_resize"]!.DeepClone();
        arguments.Remove("instance");
        arguments["flavor"] = next.DeepClone();
        arguments["node"] = Target.Node;
        arguments["migration"] = new JObject
        {
            ["nova_object.name"] = "Migration",
            ["nova_object.namespace"] = "nova",
            ["nova_object.version"] = "1.7",
            ["nova_object.data"] = migration.DeepClone(),
        };
        arguments["filter_properties"]!["retry"] = null;
        await Target.SendAsync(server, "prep_resize", "resize_prep", arguments);
        return migration;
    }

    /// <summary>A move that waits to be confirmed or reverted.</summary>
    public async Task<JObject> MoveAsync(Server server, JObject? flavor = null)
    {
        var migration = await RequestAsync(server, flavor);
        await Target.StateAsync(server, "resized");
        await Target.QuietAsync(server);
        return migration;
    }

    /// <summary>MEMORY_MB that a consumer has on each of the hosts.</summary>
    public (int? Source, int? Target) Allocated(string consumer)
    {
        int? On(ComputeSite site) => Source.Plane.Cloud.Placement.Consumers.TryGetValue(consumer, out var found) && found.Allocations.TryGetValue(Provider(site), out var amounts)
            ? amounts["MEMORY_MB"]
            : null;
        return (On(Source), On(Target));
    }

    /// <summary>By what is on its disk, as there may be no service to be asked.</summary>
    public static bool HasContainer(ComputeSite site, Server server) =>
        Directory.Exists(Path.Combine(site.StateFolder, "instances", "containers", server.Uuid));

    public async ValueTask DisposeAsync()
    {
        // The first host's taps and bridge are on the same machine.
        if (Target is not null)
        {
            await Target.DisposeAsync(_ => true);
        }

        await Source.DisposeAsync();
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartAsync(ComputeSite site, string address, bool program)
    {
        File.AppendAllLines(site.ConfigurationFile, Settings("first", address, open: true, 1_000_000));
        Sign("first", site.Mark);
        await RunAsync(site, program);
    }

    private static async Task RunAsync(ComputeSite site, bool program)
    {
        if (program)
        {
            site.Program.Start();
            await site.ProgramServesAsync();
            return;
        }

        await site.StartServiceAsync();
        await site.ServingAsync();
    }

    private IEnumerable<string> Settings(string name, string address, bool open, uint ids) =>
    [
        "[DEFAULT]", $"my_ip = {address}", "[lxd]", $"id_map_base = {ids}", "id_map_size = 1000000", "transfer_port = " + Port(), "transfer_retry_time = 600",
        .. open
            ? new[] { $"transfer_certificate = {_folder}/{name}.pem", $"transfer_key = {_folder}/{name}-key.pem", $"transfer_ca = {_authority.CaFile}" }
            : [],
    ];

    private void Sign(string name, string host) => _authority.Issue(name, [host]);

    private int? _port;

    private string Port()
    {
        if (_port is null)
        {
            using var probe = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
            probe.Start();
            _port = ((System.Net.IPEndPoint)probe.LocalEndpoint).Port;
        }

        return _port.Value.ToString(CultureInfo.InvariantCulture);
    }

    private void Allocate(string consumer, ComputeSite site, JObject flavor)
    {
        var data = (JObject)flavor["nova_object.data"]!;
        Source.Plane.Cloud.Placement.Allocate(consumer, Provider(site), ControlPlane.ProjectId, "alice",
            ("VCPU", (int)data["vcpus"]!), ("MEMORY_MB", (int)data["memory_mb"]!), ("DISK_GB", Math.Max(1, (int)data["root_gb"]!)));
    }

    private static string Provider(ComputeSite site) => site.Plane.Cloud.Placement.Providers.Values.Single(p => p.Name == site.Node).Uuid;
}
