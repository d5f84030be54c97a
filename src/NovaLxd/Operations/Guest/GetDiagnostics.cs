using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Guest;

/// <summary>Counters of a running instance in libvirt's old free form (API before 2.48; nova/virt/libvirt/driver.py:get_diagnostics).</summary>
internal sealed class GetDiagnostics(IContainerDriver driver) : IOperation<GetDiagnostics.Request, JObject>
{
    internal sealed record Request(Instance Instance) : IInstanceRequest;

    public async Task<JObject> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var usage = await Usage.ReadAsync(driver, request.Instance, "get_diagnostics", cancellationToken);
        var values = new JObject
        {
            ["cpu0_time"] = usage.CpuNanoseconds,
            ["memory"] = usage.MemoryLimitBytes >> 10,
            ["memory-actual"] = usage.MemoryLimitBytes >> 10,
            ["memory-rss"] = usage.MemoryBytes >> 10,
            ["vda_read"] = usage.DiskReadBytes,
            ["vda_read_req"] = usage.DiskReadOperations,
            ["vda_write"] = usage.DiskWriteBytes,
            ["vda_write_req"] = usage.DiskWriteOperations,
            ["vda_errors"] = -1,
        };
        foreach (var port in usage.Ports)
        {
            var name = PortSpecs.DeviceName(port.PortId.ToString());
            values[name + "_rx"] = port.ReceivedBytes;
            values[name + "_rx_packets"] = port.ReceivedPackets;
            values[name + "_rx_errors"] = port.ReceivedErrors;
            values[name + "_rx_drop"] = port.ReceivedDropped;
            values[name + "_tx"] = port.SentBytes;
            values[name + "_tx_packets"] = port.SentPackets;
            values[name + "_tx_errors"] = port.SentErrors;
            values[name + "_tx_drop"] = port.SentDropped;
        }

        return values;
    }
}

/// <summary>Reads the counters of an instance that must be running.</summary>
internal static class Usage
{
    public static async Task<ContainerUsage> ReadAsync(IContainerDriver driver, Instance instance, string method, CancellationToken cancellationToken)
    {
        if (instance.PowerState is not (PowerState.Running or PowerState.Paused))
        {
            throw new InstanceInvalidStateException(instance.Uuid, "power_state", PowerState.Name(instance.PowerState), method);
        }

        try
        {
            return await driver.GetUsageAsync(Guid.Parse(instance.Uuid), cancellationToken);
        }
        catch (ContainerNotFoundException)
        {
            throw InstanceNotFoundException.For(instance.Uuid);
        }
    }
}
