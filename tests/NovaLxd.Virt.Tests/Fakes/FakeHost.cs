using NovaLxd.Virt.Cgroups;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Host;

namespace NovaLxd.Virt.Tests.Fakes;

/// <summary>The files of /proc and /sys that are asked for, in a folder: a host fit for containers until a test changes it.</summary>
internal sealed class FakeHost : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("nlt-host-").FullName;

    public FakeHost()
    {
        Put("proc/sys/kernel/random/boot_id", "first-boot\n");
        Put("proc/sys/kernel/osrelease", "6.1.0-28-amd64\n");
        Put("proc/sys/user/max_user_namespaces", "96000\n");
        Put("proc/sys/kernel/seccomp/actions_avail", "kill_process errno allow\n");
        Put("proc/self/mountinfo", "22 27 0:21 / /proc rw,relatime - proc proc rw\n30 23 0:26 / /var/lib/lxcfs rw - fuse.lxcfs lxcfs rw,user_id=0\n");
        Put("proc/meminfo", "MemTotal:       1000 kB\nMemFree:        100 kB\nMemAvailable:   600 kB\n");
        Put("proc/cpuinfo", "processor : 0\nvendor_id : GenuineIntel\nmodel name : Intel(R) Xeon(R)\nphysical id : 0\nsiblings : 4\ncpu cores : 2\nflags : fpu sse2\n\nprocessor : 1\nphysical id : 0\n");
        Put("sys/devices/system/cpu/online", "0-3\n");
        Put("sys/module/apparmor/parameters/enabled", "Y\n");
        Put("sys/kernel/security/apparmor/profiles", "novalxd-container (enforce)\nlsb_release (enforce)\n");
    }

    public List<string> CgroupWarnings { get; } = [];

    /// <summary>The next kernel's life.</summary>
    public void Reboot() => Put("proc/sys/kernel/random/boot_id", $"{Guid.NewGuid()}\n");

    public void Put(string path, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(_root, path))!);
        File.WriteAllText(Path.Combine(_root, path), content);
    }

    public void Remove(string path) => File.Delete(Path.Combine(_root, path));

    public HostInspector Inspect(VirtOptions options, bool isRoot = true) => new(options, () => new Cgroups(CgroupWarnings), _root, isRoot);

    public void Dispose() => Directory.Delete(_root, true);

    private sealed class Cgroups(IReadOnlyList<string> warnings) : ICgroups
    {
        public string Layout => "v2";

        public IReadOnlyList<string> Warnings => warnings;

        public ContainerCgroup Create(string parent, string name, ResourceLimits limits, IdMap? owner) => throw new InvalidOperationException("The driver makes no cgroups.");

        public ContainerCgroup Open(string parent, string name) => throw new InvalidOperationException("The driver opens no cgroups.");

        public void RemoveParent(string parent) => throw new InvalidOperationException("The driver removes no cgroups.");
    }
}
