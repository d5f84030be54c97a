using System.ComponentModel.DataAnnotations;

namespace NovaLxd.Configuration;

/// <summary>[DEFAULT]: who this service is and where it keeps its things (nova/conf/netconf.py, paths.py, service.py).</summary>
internal sealed record ServiceOptions
{
    public const string DefaultStatePath = "/var/lib/nova";

    /// <summary>Name of this host, by which the control plane addresses it. Must never change while instances are on it.</summary>
    [RegularExpression(@"[A-Za-z0-9._@:-]+", ErrorMessage = "only letters, digits, and . _ @ : - may stand in a host name")]
    public string Host { get; init; } = Environment.MachineName;

    /// <summary>Address of this host on the management network. Default: the source address of the default route.</summary>
    public string MyIp { get; init; } = HostAddress.Find();

    /// <summary>Top folder of the service's state.</summary>
    public string StatePath { get; init; } = DefaultStatePath;

    /// <summary>Folder of containers and images. Default: $state_path/instances.</summary>
    public string? InstancesPath { get; init; }

    /// <summary>Name of a container on the host, from the instance's fields: printf form with the numeric id ("instance-%08x") or Python names ("%(uuid)s").</summary>
    public string InstanceNameTemplate { get; init; } = "instance-%08x";

    /// <summary>Seconds between two reports to the control plane that this service is alive.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan ReportInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Seconds after which the control plane takes a silent service for dead; only compared with report_interval here.</summary>
    public TimeSpan ServiceDownTime { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Seconds a stopping service waits for operations in progress before it hands them back.</summary>
    public TimeSpan GracefulShutdownTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Folder of containers and images, resolved.</summary>
    public string InstancesDirectory => InstancesPath ?? Path.Combine(StatePath, "instances");
}
