namespace NovaLxd.Virt;

/// <summary>Where this layer keeps its things and how it behaves. Filled by the service from section <c>[lxd]</c>.</summary>
public sealed record VirtOptions
{
    /// <summary>Containers, images and their disks (<c>[DEFAULT] instances_path</c>).</summary>
    public required string StateDirectory { get; init; }

    /// <summary>Sockets and what need not survive a boot.</summary>
    public string RuntimeDirectory { get; init; } = "/run/novalxd";

    /// <summary>
    /// Program of the supervisor, started when none runs (under systemd its own unit starts it first); a .dll is run by dotnet. Null: novalxd-supervisor,
    /// or else novalxd-supervisor.dll, beside this program.
    /// </summary>
    public string? SupervisorPath { get; init; }

    /// <summary>"overlay".</summary>
    public string StorageBackend { get; init; } = "overlay";

    /// <summary>First host id of the ranges handed to containers, and how many ids there are in all.</summary>
    public uint IdMapBase { get; init; } = 1_000_000;

    public uint IdMapSize { get; init; } = 1_000_000_000;

    /// <summary>Bytes of console output kept for each container.</summary>
    public int ConsoleLogBytes { get; init; } = 256 * 1024;

    /// <summary>Parent cgroup of all containers.</summary>
    public string CgroupParent { get; init; } = "novalxd";

    /// <summary>Where lxcfs is mounted; its files appear in the containers while it runs.</summary>
    public string LxcfsPath { get; init; } = "/var/lib/lxcfs";

    /// <summary>The operator's own system call rules, in the form of etc/novalxd/seccomp.json; null or empty: those.</summary>
    public string? SeccompProfilePath { get; init; }

    /// <summary>Most bytes one image may take when unpacked.</summary>
    public long ImageMaxBytes { get; init; } = 64L << 30;

    /// <summary>Program that makes ISO 9660 images, with genisoimage's options (<c>mkisofs_cmd</c>).</summary>
    public string IsoCommand { get; init; } = "genisoimage";

    /// <summary>How ports of vif type "ovs" are plugged (<c>[os_vif_ovs]</c>).</summary>
    public OvsOptions Ovs { get; init; } = new();
}

/// <summary>Names and defaults of os-vif's section <c>[os_vif_ovs]</c>.</summary>
public sealed record OvsOptions
{
    /// <summary><c>ovsdb_connection</c>: where the Open vSwitch database listens ("tcp:127.0.0.1:6640", "unix:/var/run/openvswitch/db.sock").</summary>
    public string Connection { get; init; } = "tcp:127.0.0.1:6640";

    /// <summary><c>ovs_vsctl_timeout</c>: longest wait for an answer and for the switch to carry out a change; zero: for ever.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary><c>isolate_vif</c>: a new port starts in the dead VLAN 4095 until Neutron's agent gives it its own (not for OVN).</summary>
    public bool IsolateVif { get; init; }
}
