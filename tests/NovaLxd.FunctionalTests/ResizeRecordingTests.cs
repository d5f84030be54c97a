using System.Collections.Concurrent;
using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;

namespace NovaLxd.FunctionalTests;

/// <summary>A resize beside one that nova-compute was recorded at: what the conductor is asked to write, in which order and with which guard.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class ResizeRecordingTests(Broker broker) : IAsyncLifetime
{
    /// <summary>Set in the same place, but for nested objects that nova-compute lists as changed whether they are or not.</summary>
    private static readonly HashSet<string> Incidental = ["migration_context", "resources", "pci_devices", "pci_requests", "numa_topology", "info_cache"];

    private readonly ConcurrentQueue<(string Action, JObject Arguments)> _asked = [];
    private ComputeSite _site = null!;
    private Server _server = null!;

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit);
        _server = await _site.CreateActiveAsync();
        _site.Plane.Interfere = (name, args) =>
        {
            if (name is "Instance.save" or "Instance.drop_migration_context" or "Migration.save")
            {
                _asked.Enqueue((name, (JObject)args.DeepClone()));
            }

            return Task.CompletedTask;
        };
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task TheRecordsAreWrittenAsARecordedNovaWritesThem()
    {
        var migration = await _site.ResizeAsync(_server, Resizes.Flavor());
        AssertAsRecorded("resize");
        await _site.ConfirmAsync(_server, migration);
        AssertAsRecorded("confirm");

        migration = await _site.ResizeAsync(_server, (JObject)Flavor(43).DeepClone());
        AssertAsRecorded("resize");
        await _site.RevertAsync(_server, migration);
        AssertAsRecorded("revert");
    }

    private static JObject Flavor(int id)
    {
        var flavor = Resizes.Flavor(vcpus: 1, memoryMb: 256);
        flavor["nova_object.data"]!["id"] = id;
        return flavor;
    }

    private void AssertAsRecorded(string phase)
    {
        var recorded = Resizes.Recording[phase]!.Cast<JObject>().ToList();
        var asked = _asked.ToList();
        _asked.Clear();
        Assert.Equal(recorded.Select(r => (string)r["action"]!), asked.Select(a => a.Action));
        foreach (var (expected, (action, arguments)) in recorded.Zip(asked))
        {
            var sent = arguments["objinst"]!;
            var data = sent["nova_object.data"]!;
            if (action == "Migration.save")
            {
                Assert.Equal((string?)expected["status"], (string?)data["status"]);
            }
            else if (action == "Instance.save")
            {
                Assert.Equal(((string?)expected["vm_state"], (string?)expected["task_state"]), ((string?)data["vm_state"], (string?)data["task_state"]));
                AssertGuarded(expected["expected_task_state"], arguments["kwargs"]!["expected_task_state"]);
            }

            var wanted = (expected["changes"] ?? new JArray()).Select(c => (string)c!).Where(c => !Incidental.Contains(c));
            Assert.Superset(wanted.ToHashSet(), (sent["nova_object.changes"] ?? new JArray()).Select(c => (string)c!).ToHashSet());
        }
    }

    /// <summary>The same guard; where Nova has none, a delete could be overwritten, and one is no harm.</summary>
    private static void AssertGuarded(JToken? expected, JToken? actual)
    {
        if (ControlPlane.Expected(expected) is { Length: > 0 } guard)
        {
            Assert.Equal(guard, ControlPlane.Expected(actual));
        }
    }
}
