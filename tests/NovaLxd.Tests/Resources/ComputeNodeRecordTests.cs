using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Configuration;
using NovaLxd.Objects;
using NovaLxd.Resources;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.Tests.Fakes;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Resources;

public sealed class ComputeNodeRecordTests : IDisposable
{
    private static readonly HostDescription Host = new()
    {
        Processors = 8,
        MemoryBytes = 16L << 30,
        MemoryUsedBytes = 1L << 30,
        DiskBytes = 100L << 30,
        DiskUsedBytes = 30L << 30,
        Architecture = "x86_64",
        KernelRelease = "6.1.0-18-amd64",
        Cpu = new CpuInfo("GenuineIntel", "Xeon", 1, 4, 2, []),
        Abilities = new HashSet<string>(),
    };

    private static readonly HostInventory Inventory = HostInventory.From(Host, null);

    private readonly DirectoryInfo _state = Directory.CreateTempSubdirectory("novalxd-node-");
    private readonly LogLines<ComputeNodeRecord> _log = new();

    public void Dispose() => _state.Delete(recursive: true);

    [Fact]
    public async Task ANewNodeNamesItsServiceInTheRequestThatMakesIt()
    {
        var plane = NewPlane(FakeRelease.Gazpacho);

        await CreateAsync(plane, NewRecord(plane, 72));

        var sent = (JObject)plane.Transport.LastArgs["objinst"]!;
        Assert.Equal(7, (int?)sent["nova_object.data"]!["service_id"]);
        Assert.Contains("service_id", sent["nova_object.changes"]!.Select(c => (string)c!));
        Assert.Equal(7, (int?)plane.Conductor.ComputeNodes[0]["service_id"]);
    }

    /// <summary>Zed's nova-compute leaves the field out.</summary>
    [Fact]
    public async Task OnAControlPlaneThatDoesNotUseItItIsLeftOut()
    {
        var plane = NewPlane(FakeRelease.Zed);

        await CreateAsync(plane, NewRecord(plane, 64));

        Assert.Null(plane.Conductor.ComputeNodes[0]["service_id"]);
    }

    /// <summary>Written before the control plane was upgraded, or by a service whose record was deleted.</summary>
    [Theory]
    [InlineData(null, 0)]
    [InlineData(3, 1)]
    public async Task AKnownNodeIsGivenToTheServiceThatRunsNow(int? before, int warnings)
    {
        var plane = NewPlane(FakeRelease.Gazpacho);
        var node = await CreateAsync(plane, NewRecord(plane, 72));
        plane.Conductor.ComputeNodes[0]["service_id"] = before;
        node.Set("service_id", before);
        node.ResetChanges();
        var record = NewRecord(plane, 72);

        record.SetService(node, await record.FindServiceAsync(plane.Context, startup: false, default));
        await record.SaveIfChangedAsync(plane.Context, node, default);

        Assert.Equal(7, (int?)plane.Conductor.ComputeNodes[0]["service_id"]);
        Assert.Equal(warnings, _log.Lines.Count(l => l.Level == LogLevel.Warning && l.Text.EndsWith("from service 3 to 7", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task AnUnansweredQuestionKeepsTheLastAnswer()
    {
        var plane = NewPlane(FakeRelease.Gazpacho);
        var record = NewRecord(plane, 72);
        plane.Conductor.Services[0]["disabled"] = true;
        Assert.True((await record.FindServiceAsync(plane.Context, startup: true, default))!.Disabled);
        plane.Conductor.Services.Clear();

        var later = await record.FindServiceAsync(plane.Context, startup: false, default);

        Assert.Equal((7, true), (later!.Id, later.Disabled));
        Assert.Null(await record.FindServiceAsync(plane.Context, startup: true, default));
    }

    private static TestPlane NewPlane(FakeRelease release)
    {
        var plane = new TestPlane(release, release == FakeRelease.Zed ? "zed" : "2026.1");
        plane.Conductor.Services.Add(new JObject { ["id"] = 7, ["host"] = TestPlane.HostName, ["binary"] = "nova-compute", ["version"] = 72, ["disabled"] = false });
        return plane;
    }

    private ComputeNodeRecord NewRecord(TestPlane plane, int version)
    {
        var control = new ControlPlane();
        control.Learn(version);
        return new(plane.Client, new ResourceOptions(), NewOptions(), control, _log);
    }

    private ServiceOptions NewOptions() => new() { Host = TestPlane.HostName, MyIp = "192.0.2.10", StatePath = _state.FullName };

    private async Task<ComputeNode> CreateAsync(TestPlane plane, ComputeNodeRecord record)
    {
        var identity = new NodeIdentity(NewOptions(), new LxdOptions { HypervisorHostname = "node1" });
        identity.Persist(Guid.NewGuid().ToString());
        var owner = await record.FindServiceAsync(plane.Context, startup: true, default);
        var (node, isNew) = await record.FindOrCreateAsync(plane.Context, identity, Inventory, Host, owner, default);
        Assert.True(isNew);
        return node;
    }
}
