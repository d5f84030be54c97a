using System.Globalization;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Cgroups;

/// <summary>One container's cgroup in every hierarchy.</summary>
internal sealed class ContainerCgroup(IReadOnlyList<(string MountPoint, string Controllers, bool Unified)> hierarchies, string parent, string name)
{
    private static readonly string[] Delegated = ["cgroup.procs", "tasks", "cgroup.threads", "cgroup.subtree_control"];

    public IReadOnlyList<string> ProcsFiles => [.. Folders.Select(h => Path.Combine(h.Folder, "cgroup.procs"))];

    public IReadOnlyList<CgroupMount> GuestMounts =>
    [
        new("/sys/fs/cgroup", "tmpfs", "tmpfs", "mode=755,size=512k", true),
        .. hierarchies.Select(h => new CgroupMount(
            $"/sys/fs/cgroup/{h.Controllers}", h.Unified ? "cgroup2" : "cgroup", "cgroup",
            h.Unified ? "" : h.Controllers == "systemd" ? "none,name=systemd" : h.Controllers, false)),
    ];

    public bool Populated => Processes().Count > 0;

    private IEnumerable<(string Folder, string Controllers, bool Unified)> Folders =>
        hierarchies.Select(h => (Path.Combine(h.MountPoint, parent, name), h.Controllers, h.Unified));

    private string Freezer => Folders.First(h => h.Controllers == "freezer" || h.Unified).Folder;

    internal void Make(ResourceLimits limits, IdMap? owner)
    {
        Remove();
        foreach (var (folder, controllers, unified) in Folders)
        {
            foreach (var directory in new[] { Path.GetDirectoryName(folder)!, folder })
            {
                Directory.CreateDirectory(directory);
                if (controllers == "cpuset")
                {
                    foreach (var file in new[] { "cpuset.cpus", "cpuset.mems" })
                    {
                        Unistd.WriteFile(Path.Combine(directory, file), File.ReadAllText(Path.Combine(Path.GetDirectoryName(directory)!, file)).Trim());
                    }
                }
            }

            if (controllers == "memory" && limits.MemoryBytes is { } memory)
            {
                Unistd.WriteFile(Path.Combine(folder, "memory.limit_in_bytes"), Cgroups.Number(memory));
            }

            if (controllers == "pids" && limits.Pids is { } pids)
            {
                Unistd.WriteFile(Path.Combine(folder, "pids.max"), Cgroups.Number(pids));
            }

            if (owner is not null && (unified || controllers == "systemd"))
            {
                foreach (var path in Delegated.Select(file => Path.Combine(folder, file)).Where(File.Exists).Prepend(folder))
                {
                    Owner.Set(path, owner.HostBase);
                }
            }
        }
    }

    public void Join(int pid)
    {
        foreach (var file in ProcsFiles)
        {
            Unistd.WriteFile(file, Cgroups.Number(pid));
        }
    }

    public int? OpenUnifiedDirectory() => null;

    public void Freeze() => Unistd.WriteFile(Path.Combine(Freezer, "freezer.state"), "FROZEN");

    public void Unfreeze() => Unistd.WriteFile(Path.Combine(Freezer, "freezer.state"), "THAWED");

    public bool IsFrozen() => Path.Combine(Freezer, "freezer.state") is var file && File.Exists(file) && File.ReadAllText(file).Trim() != "THAWED";

    public void KillAll()
    {
        foreach (var pid in Processes())
        {
            using var pidfd = SysPidfd.TryOpen(pid);
            if (pidfd is not null)
            {
                SysPidfd.SendSignal(pidfd, Signal.SIGKILL);
            }
        }
    }

    public IReadOnlyList<int> Processes() => Directory.Exists(Freezer)
        ? [.. Directory.EnumerateFiles(Freezer, "cgroup.procs", SearchOption.AllDirectories).SelectMany(File.ReadLines).Select(line => int.Parse(line, CultureInfo.InvariantCulture))]
        : [];

    public ContainerUsage ReadUsage() => new()
    {
        MemoryBytes = Folders.Where(h => h.Controllers == "memory").Select(h => long.Parse(File.ReadAllText(Path.Combine(h.Folder, "memory.usage_in_bytes")), CultureInfo.InvariantCulture)).FirstOrDefault(),
        CpuNanoseconds = Folders.Where(h => h.Controllers == "cpuacct").Select(h => long.Parse(File.ReadAllText(Path.Combine(h.Folder, "cpuacct.usage")), CultureInfo.InvariantCulture)).FirstOrDefault(),
        Processes = Processes().Count,
    };

    public void Remove()
    {
        foreach (var (folder, _, _) in Folders.Where(h => Directory.Exists(h.Folder)))
        {
            foreach (var inner in Directory.GetDirectories(folder, "*", SearchOption.AllDirectories).OrderByDescending(path => path.Length))
            {
                Directory.Delete(inner);
            }

            Directory.Delete(folder);
        }
    }
}

internal static partial class Owner
{
    public static void Set(string path, uint id)
    {
        if (lchown(path, id, id) != 0)
        {
            throw KernelException.Last("lchown", path);
        }
    }

    [System.Runtime.InteropServices.LibraryImport("libc", SetLastError = true, StringMarshalling = System.Runtime.InteropServices.StringMarshalling.Utf8)]
    private static partial int lchown(string path, uint uid, uint gid);
}
