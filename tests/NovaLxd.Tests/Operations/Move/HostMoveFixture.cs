using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Resources;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.Tests.Fakes;
using NovaLxd.Tests.Transfer;
using NovaLxd.Transfer;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Operations.Move;

/// <summary>A server that moves between this host and another, which is what the messages say.</summary>
public abstract class HostMoveFixture : ResizeFixture
{
    private protected const string Other = "cmp2";
    private protected const string OtherNode = "node2";

    private readonly string _folder = Directory.CreateTempSubdirectory("novalxd-move-").FullName;
    private readonly TestAuthority _authority;
    private readonly int _port = FreePort();

    protected HostMoveFixture() => _authority = new TestAuthority(_folder, "cloud");

    private protected override TransferOptions Transfer => OptionsOf(TestPlane.HostName);

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private protected TransferOptions OptionsOf(string host)
    {
        var (certificate, key) = _authority.Issue(host, [host]);
        return new TransferOptions
        {
            TransferCertificate = certificate,
            TransferKey = key,
            TransferCa = _authority.CaFile,
            TransferAddress = "127.0.0.1",
            TransferPort = _port,
        };
    }

    private protected async Task ArrivingAsync()
    {
        (MigrationRow["source_compute"], MigrationRow["source_node"]) = (Other, OtherNode);
        (MigrationRow["dest_compute"], MigrationRow["dest_node"]) = (TestPlane.HostName, "node1");
        (Plane.Row["host"], Plane.Row["node"]) = (Other, OtherNode);
        Plane.Driver.States.Clear();
        await Services.GetRequiredService<ResourceTracker>().UpdateAsync(RequestContext.CreateAdmin(), startup: false, default);
    }

    private protected async Task ArrivedAsync()
    {
        (Plane.Row["task_state"], Plane.Row["old_flavor"], Plane.Row["new_flavor"]) = ("resize_migrated", Plane.Row["flavor"]!.DeepClone(), NewFlavor());
        Plane.Row["system_metadata"]!["old_vm_state"] = "active";
        MigrationRow["status"] = "post-migrating";
        await ArrivingAsync();
        (Plane.Row["host"], Plane.Row["node"]) = (TestPlane.HostName, "node1");
        Plane.Driver.States[Id] = ContainerState.Stopped;
    }

    private protected void Leaving()
    {
        (MigrationRow["dest_compute"], MigrationRow["dest_node"], MigrationRow["dest_host"]) = (Other, OtherNode, "127.0.0.1");
        Plane.Row["new_flavor"] = NewFlavor();
        Plane.Row["system_metadata"]!["old_vm_state"] = "active";
    }

    private protected void TakeNewFlavor()
    {
        Plane.Row["old_flavor"] = Plane.Row["flavor"]!.DeepClone();
        (Plane.Row["flavor"], Plane.Row["instance_type_id"], Plane.Row["memory_mb"]) = (NewFlavor(), 2, 512);
    }

    private protected JToken NewFlavor() => Recording["prep_resize"]!["flavor"]!.DeepClone();

    private protected void FailOn(string request, string? state)
    {
        var failed = false;
        Plane.Conductor.Interfere = (name, args) =>
        {
            var data = args["objinst"]?["nova_object.data"];
            var fails = !failed && name == request && (state is null || (string?)data!["status"] == state || (string?)data["task_state"] == state);
            failed |= fails;
            return fails ? throw ConductorFailureException.Nova("NovaException", "the database is away") : Task.CompletedTask;
        };
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
