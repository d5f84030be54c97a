using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>State of a guest in the form of API 2.48. Memory in MiB, uptime in seconds, the rest counts and bytes.</summary>
internal sealed class Diagnostics(JObject primitive) : NovaObject(primitive), INovaView<Diagnostics>
{
    public static string ObjectName => "Diagnostics";

    public static Diagnostics View(JObject primitive) => new(primitive);

    internal string State
    {
        get => GetText("state");
        set => Set("state", value);
    }

    internal string Driver
    {
        get => GetText("driver");
        set => Set("driver", value);
    }

    internal string? Hypervisor
    {
        get => GetString("hypervisor");
        set => Set("hypervisor", value);
    }

    internal string? HypervisorOs
    {
        get => GetString("hypervisor_os");
        set => Set("hypervisor_os", value);
    }

    internal int? Uptime
    {
        get => GetInt("uptime");
        set => Set("uptime", value);
    }

    internal bool ConfigDrive
    {
        get => GetBool("config_drive");
        set => Set("config_drive", value);
    }

    internal MemoryDiagnostics? MemoryDetails
    {
        get => GetObject<MemoryDiagnostics>("memory_details");
        set => SetObject("memory_details", value);
    }

    internal IReadOnlyList<CpuDiagnostics> CpuDetails
    {
        get => GetObjects<CpuDiagnostics>("cpu_details");
        set => SetObjects("cpu_details", value);
    }

    internal IReadOnlyList<NicDiagnostics> NicDetails
    {
        get => GetObjects<NicDiagnostics>("nic_details");
        set => SetObjects("nic_details", value);
    }

    internal IReadOnlyList<DiskDiagnostics> DiskDetails
    {
        get => GetObjects<DiskDiagnostics>("disk_details");
        set => SetObjects("disk_details", value);
    }

    internal int NumCpus
    {
        get => GetInt("num_cpus") ?? 0;
        set => Set("num_cpus", value);
    }

    internal int NumNics
    {
        get => GetInt("num_nics") ?? 0;
        set => Set("num_nics", value);
    }

    internal int NumDisks
    {
        get => GetInt("num_disks") ?? 0;
        set => Set("num_disks", value);
    }
}

/// <summary>MiB.</summary>
internal sealed class MemoryDiagnostics(JObject primitive) : NovaObject(primitive), INovaView<MemoryDiagnostics>
{
    public static string ObjectName => "MemoryDiagnostics";

    public static MemoryDiagnostics View(JObject primitive) => new(primitive);

    internal int? Maximum
    {
        get => GetInt("maximum");
        set => Set("maximum", value);
    }

    internal int? Used
    {
        get => GetInt("used");
        set => Set("used", value);
    }
}

/// <summary>Time in nanoseconds, utilisation in per cent.</summary>
internal sealed class CpuDiagnostics(JObject primitive) : NovaObject(primitive), INovaView<CpuDiagnostics>
{
    public static string ObjectName => "CpuDiagnostics";

    public static CpuDiagnostics View(JObject primitive) => new(primitive);

    internal int? Id
    {
        get => GetInt("id");
        set => Set("id", value);
    }

    internal long Time
    {
        get => GetLong("time") ?? 0;
        set => Set("time", value);
    }

    internal int? Utilisation
    {
        get => GetInt("utilisation");
        set => Set("utilisation", value);
    }
}

/// <summary>Counters of an interface as the guest sees them.</summary>
internal sealed class NicDiagnostics(JObject primitive) : NovaObject(primitive), INovaView<NicDiagnostics>
{
    public static string ObjectName => "NicDiagnostics";

    public static NicDiagnostics View(JObject primitive) => new(primitive);

    internal string? MacAddress
    {
        get => GetString("mac_address");
        set => Set("mac_address", value);
    }

    internal long RxOctets
    {
        get => GetLong("rx_octets") ?? 0;
        set => Set("rx_octets", value);
    }

    internal long RxErrors
    {
        get => GetLong("rx_errors") ?? 0;
        set => Set("rx_errors", value);
    }

    internal long RxDrop
    {
        get => GetLong("rx_drop") ?? 0;
        set => Set("rx_drop", value);
    }

    internal long RxPackets
    {
        get => GetLong("rx_packets") ?? 0;
        set => Set("rx_packets", value);
    }

    internal int? RxRate
    {
        get => GetInt("rx_rate");
        set => Set("rx_rate", value);
    }

    internal long TxOctets
    {
        get => GetLong("tx_octets") ?? 0;
        set => Set("tx_octets", value);
    }

    internal long TxErrors
    {
        get => GetLong("tx_errors") ?? 0;
        set => Set("tx_errors", value);
    }

    internal long TxDrop
    {
        get => GetLong("tx_drop") ?? 0;
        set => Set("tx_drop", value);
    }

    internal long TxPackets
    {
        get => GetLong("tx_packets") ?? 0;
        set => Set("tx_packets", value);
    }

    internal int? TxRate
    {
        get => GetInt("tx_rate");
        set => Set("tx_rate", value);
    }
}

/// <summary>Counters of a disk.</summary>
internal sealed class DiskDiagnostics(JObject primitive) : NovaObject(primitive), INovaView<DiskDiagnostics>
{
    public static string ObjectName => "DiskDiagnostics";

    public static DiskDiagnostics View(JObject primitive) => new(primitive);

    internal long ReadBytes
    {
        get => GetLong("read_bytes") ?? 0;
        set => Set("read_bytes", value);
    }

    internal long ReadRequests
    {
        get => GetLong("read_requests") ?? 0;
        set => Set("read_requests", value);
    }

    internal long WriteBytes
    {
        get => GetLong("write_bytes") ?? 0;
        set => Set("write_bytes", value);
    }

    internal long WriteRequests
    {
        get => GetLong("write_requests") ?? 0;
        set => Set("write_requests", value);
    }

    internal int? ErrorsCount
    {
        get => GetInt("errors_count");
        set => Set("errors_count", value);
    }
}
