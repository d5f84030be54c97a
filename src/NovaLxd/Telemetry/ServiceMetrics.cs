using System.Diagnostics.Metrics;
using NovaLxd.Resources;
using NovaLxd.Rpc;

namespace NovaLxd.Telemetry;

/// <summary>Meter "NovaLxd": what is left of the host and what is being done.</summary>
internal sealed class ServiceMetrics : IDisposable
{
    private readonly Meter _meter = new("NovaLxd");

    public ServiceMetrics(ResourceTracker resources, ComputeRpcServer server)
    {
        _meter.CreateObservableGauge("novalxd.resources.free", () => Free(resources), description: "Resources left for instances, with overcommit");
        _meter.CreateObservableGauge("novalxd.instances", () => resources.Node?.RunningVms ?? 0, description: "Instances on this host");
        _meter.CreateObservableGauge("novalxd.operations.in_progress", () => server.InProgress.Count, description: "RPC requests being carried out");
        _meter.CreateObservableGauge("novalxd.flavor.fits", () => Fits(resources), description: "How many more instances of each flavor in use fit");
    }

    public void Dispose() => _meter.Dispose();

    private static IEnumerable<Measurement<int>> Free(ResourceTracker resources)
    {
        var (vcpus, memory, disk) = resources.Free;
        return
        [
            new(vcpus, new KeyValuePair<string, object?>("resource_class", "VCPU")),
            new(memory, new KeyValuePair<string, object?>("resource_class", "MEMORY_MB")),
            new(disk, new KeyValuePair<string, object?>("resource_class", "DISK_GB")),
        ];
    }

    private static IEnumerable<Measurement<int>> Fits(ResourceTracker resources) =>
        resources.FlavorFits.Select(f => new Measurement<int>(f.Value, new KeyValuePair<string, object?>("flavor", f.Key)));
}
