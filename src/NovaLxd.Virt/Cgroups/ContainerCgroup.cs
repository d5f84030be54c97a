using System.Globalization;
using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Kernel;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Cgroups;

/// <summary>
/// One container's cgroup in all hierarchies. Freezing, killing and counting go by one of them: v2 where it is mounted, else v1's freezer.
/// Methods on a cgroup that has gone answer as for an empty one; writes to it fail.
/// </summary>
internal sealed class ContainerCgroup
{
    /// <summary>A leaf for processes that come from outside, where v2 lets none stay beside the guest's own children.</summary>
    private const string VisitorsLeaf = ".novalxd";

    private readonly CgroupTree _tree;
    private readonly CgroupFreezer _freezer;
    private readonly List<string> _unenforced = [];

    internal ContainerCgroup(CgroupTree tree, string path)
    {
        _tree = tree;
        Path = path;
        var processes = tree.Unified ?? tree.Find("freezer") ?? tree.Find("pids") ?? tree.Hierarchies[0];
        _freezer = new CgroupFreezer(Directory(processes), processes.Unified, path);
    }

    /// <summary>Below each mount point: "novalxd/instance-0000002a".</summary>
    public string Path { get; }

    /// <summary>In every hierarchy the file into which a process (or "0" for the writer itself) is written to join; v2's is the last.</summary>
    public IReadOnlyList<string> ProcsFiles => [.. _tree.Hierarchies.Select(h => System.IO.Path.Combine(Directory(h), "cgroup.procs"))];

    /// <summary>Limits asked for that this host cannot enforce, a sentence each; of the last time limits were set.</summary>
    public IReadOnlyList<string> Unenforced => _unenforced;

    public bool Exists => _tree.Hierarchies.Any(h => System.IO.Directory.Exists(Directory(h)));

    /// <summary>Whether any process is in it or below.</summary>
    public bool Populated => _freezer.Populated;

    /// <summary>What is to be mounted on /sys/fs/cgroup inside.</summary>
    public IReadOnlyList<CgroupMount> GuestMounts => CgroupDelegation.GuestMounts(_tree.Hierarchies);

    internal CgroupTree Tree => _tree;

    /// <summary>
    /// Descriptor of the v2 directory for CLONE_INTO_CGROUP, which the caller closes; null where v2 is not mounted. It is for the first process: once
    /// the guest has made children with controllers, the kernel refuses others here, and <see cref="Join"/> knows what to do.
    /// </summary>
    public int? OpenUnifiedDirectory()
    {
        if (OpenUnified() is not { } directory)
        {
            return null;
        }

        var descriptor = CgroupFile.Number(directory);
        directory.SetHandleAsInvalid(); // From here on the caller's.
        return descriptor;
    }

    /// <summary>Moves a process, by its id on the host, into the container in every hierarchy.</summary>
    public void Join(int pid)
    {
        var text = pid.ToString(CultureInfo.InvariantCulture);
        foreach (var hierarchy in _tree.Hierarchies)
        {
            var directory = Directory(hierarchy);
            var error = CgroupFile.TryWrite(System.IO.Path.Combine(directory, "cgroup.procs"), text);
            if (error == EBUSY && hierarchy.Unified)
            {
                // cgroup-v2.rst, "No Internal Process Constraint": the guest's init has enabled controllers for its children.
                directory = System.IO.Path.Combine(directory, VisitorsLeaf);
                error = CgroupFile.TryMakeDirectory(directory) is var made && made != 0 && made != EEXIST
                    ? made
                    : CgroupFile.TryWrite(System.IO.Path.Combine(directory, "cgroup.procs"), text);
            }

            if (error != 0)
            {
                throw new KernelException(error, "write", $"'{text}' to {directory}/cgroup.procs");
            }
        }
    }

    /// <summary>Returns once every process is frozen.</summary>
    /// <exception cref="ContainerStateException">Some would not freeze in time; all are thawed again.</exception>
    public void Freeze() => _freezer.Freeze();

    /// <summary>Returns once every process may run again.</summary>
    public void Unfreeze() => _freezer.Unfreeze();

    public bool IsFrozen() => _freezer.IsFrozen();

    /// <summary>Kills every process, those being forked just now included, frozen ones too, and returns when none is left.</summary>
    /// <exception cref="ContainerStateException">Some did not die in time (stuck in the kernel); they are named.</exception>
    public void KillAll() => _freezer.KillAll();

    /// <summary>Ids on the host of all processes in it and below.</summary>
    public IReadOnlyList<int> Processes() => _freezer.Processes();

    public ContainerUsage ReadUsage() => new CgroupUsageReader(this).Read();

    /// <summary>Changes the limits of a living cgroup to exactly these; what is null is unlimited again.</summary>
    public void Apply(ResourceLimits limits) => SetLimits(limits, reset: true);

    /// <summary>Removes it and everything below, in all hierarchies. It must be empty; removing what is not there does nothing.</summary>
    public void Remove()
    {
        foreach (var hierarchy in _tree.Hierarchies)
        {
            CgroupRemoval.Remove(Directory(hierarchy));
        }
    }

    internal string Directory(CgroupHierarchy hierarchy) => System.IO.Path.Combine(hierarchy.MountPoint, Path);

    /// <summary>The file of a controller (v2's name), or null where no hierarchy has it.</summary>
    internal string? FileOf(string controller, string file) =>
        _tree.Find(controller) is { } hierarchy ? System.IO.Path.Combine(Directory(hierarchy), file) : null;

    internal void SetLimits(ResourceLimits limits, bool reset)
    {
        _unenforced.Clear();
        var inherited = _tree.Find("cpuset") is { Unified: false } cpuset
            ? CgroupFile.Read(System.IO.Path.Combine(cpuset.MountPoint, System.IO.Path.GetDirectoryName(Path)!, "cpuset.cpus")).Trim()
            : "";
        var device = _tree.Disk.Number;
        foreach (var write in LimitPlan.For(limits, controller => _tree.Find(controller) is { Unified: true }, reset, device, inherited))
        {
            Set(write);
        }

        var throttled = limits.DiskReadBytesPerSecond ?? limits.DiskWriteBytesPerSecond
            ?? limits.DiskReadOperationsPerSecond ?? limits.DiskWriteOperationsPerSecond;
        if (throttled is not null && device is null)
        {
            _unenforced.Add($"Disk throughput limits are not enforced: {_tree.Disk.Problem}.");
        }
    }

    internal void RestrictDevices(IReadOnlyList<DeviceRule> rules)
    {
        if (_tree.Find("devices") is { Unified: false } devices)
        {
            CgroupFile.Write(System.IO.Path.Combine(Directory(devices), "devices.deny"), "a");
            foreach (var rule in rules)
            {
                CgroupFile.Write(System.IO.Path.Combine(Directory(devices), "devices.allow"), rule.ToString());
            }
        }
        else if (OpenUnified() is { } directory)
        {
            using (directory)
            {
                Bpf.AttachDeviceFilter(DeviceProgram.Assemble(rules), directory);
            }
        }
    }

    private SafeFileHandle? OpenUnified()
    {
        if (_tree.Unified is not { } unified)
        {
            return null;
        }

        var handle = CgroupFile.Open(Directory(unified), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return handle.IsInvalid ? throw KernelException.Last("open", Directory(unified)) : handle;
    }

    /// <summary>Writes, reads back and compares. A file that is not there is a limit this host does not know.</summary>
    private void Set(LimitWrite write)
    {
        var path = FileOf(write.Controller, write.File);
        var error = path is null ? ENOENT : CgroupFile.TryWrite(path, write.Value);
        if (error == ENOENT)
        {
            if (write.ReadBack != ReadBack.None && write.Value != "max")
            {
                _unenforced.Add($"{write.File}={write.Value} is not enforced: this host has no {write.File}.");
            }

            return;
        }

        if (error != 0)
        {
            throw new KernelException(error, "write", $"'{write.Value}' to {path}");
        }

        if (write.ReadBack != ReadBack.None && CgroupFile.Read(path!) is var content && !write.IsConfirmedBy(content))
        {
            throw new ContainerStateException($"{path} reads '{content.Trim()}' after '{write.Value}' was written to it.");
        }
    }
}
