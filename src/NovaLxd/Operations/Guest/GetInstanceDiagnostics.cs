using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Guest;

/// <summary>Counters of a running instance as the API shows them from 2.48 on (nova/objects/diagnostics.py). Memory in MiB, CPU time in nanoseconds.</summary>
internal sealed class GetInstanceDiagnostics(IContainerDriver driver, PowerStates powerStates) : IOperation<GetInstanceDiagnostics.Request, Diagnostics>
{
    internal sealed record Request(Instance Instance) : IInstanceRequest;

    public async Task<Diagnostics> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var instance = request.Instance;
        var usage = await Usage.ReadAsync(driver, instance, "get_instance_diagnostics", cancellationToken);
        var diagnostics = NovaObject.Create<Diagnostics>();

        // Nova's enumeration of drivers has no word for containers of another kind than libvirt's.
        diagnostics.Driver = "libvirt";
        diagnostics.Hypervisor = "lxd";
        diagnostics.HypervisorOs = "linux";
        diagnostics.State = PowerState.Name(await powerStates.GetAsync(instance, cancellationToken));
        diagnostics.Uptime = (int)usage.Uptime.TotalSeconds;
        diagnostics.ConfigDrive = instance.ConfigDrive is { Length: > 0 };
        diagnostics.MemoryDetails = Memory(usage);
        diagnostics.CpuDetails = [Cpu(usage)];
        diagnostics.NicDetails = [.. usage.Ports.Select(Nic)];
        diagnostics.DiskDetails = [Disk(usage)];
        diagnostics.NumCpus = 1;
        diagnostics.NumNics = usage.Ports.Count;
        diagnostics.NumDisks = 1;
        return diagnostics;
    }

    private static MemoryDiagnostics Memory(ContainerUsage usage)
    {
        var memory = NovaObject.Create<MemoryDiagnostics>();
        memory.Maximum = (int)(usage.MemoryLimitBytes >> 20);
        memory.Used = (int)(usage.MemoryBytes >> 20);
        return memory;
    }

    /// <summary>One entry: a container has a share of processors, not processors of its own with counters of their own.</summary>
    private static CpuDiagnostics Cpu(ContainerUsage usage)
    {
        var cpu = NovaObject.Create<CpuDiagnostics>();
        cpu.Id = 0;
        cpu.Time = usage.CpuNanoseconds;
        return cpu;
    }

    private static NicDiagnostics Nic(PortUsage port)
    {
        var nic = NovaObject.Create<NicDiagnostics>();
        nic.MacAddress = port.MacAddress;
        nic.RxOctets = port.ReceivedBytes;
        nic.RxPackets = port.ReceivedPackets;
        nic.RxErrors = port.ReceivedErrors;
        nic.RxDrop = port.ReceivedDropped;
        nic.TxOctets = port.SentBytes;
        nic.TxPackets = port.SentPackets;
        nic.TxErrors = port.SentErrors;
        nic.TxDrop = port.SentDropped;
        return nic;
    }

    private static DiskDiagnostics Disk(ContainerUsage usage)
    {
        var disk = NovaObject.Create<DiskDiagnostics>();
        disk.ReadBytes = usage.DiskReadBytes;
        disk.ReadRequests = usage.DiskReadOperations;
        disk.WriteBytes = usage.DiskWriteBytes;
        disk.WriteRequests = usage.DiskWriteOperations;
        return disk;
    }
}
