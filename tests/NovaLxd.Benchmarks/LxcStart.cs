using NovaLxd.Virt.Processes;

namespace NovaLxd.Benchmarks;

/// <summary>The same container by LXC's own tool: user namespace, idmapped root, veth in the bridge, limits; the filter and mounts of Debian's common configuration.</summary>
internal sealed class LxcStart
{
    private const string Program = "/usr/bin/lxc-start";
    private readonly string _folder;

    private LxcStart(string folder) => _folder = folder;

    public static bool IsInstalled => File.Exists(Program);

    private static string Name => $"{BenchmarkHost.Mark}lxc";

    public static async Task<LxcStart> PrepareAsync(string imageRoot, CancellationToken cancellationToken)
    {
        var folder = Path.Combine(BenchmarkHost.Folder, "lxc");
        Directory.CreateDirectory(Path.Combine(folder, Name));
        var root = Path.Combine(folder, "rootfs");
        await CommandRunner.RunAsync(["cp", "-a", imageRoot, root], cancellationToken);
        await File.WriteAllTextAsync(
            Path.Combine(folder, Name, "config"),
            $"""
            lxc.include = /usr/share/lxc/config/common.conf
            lxc.include = /usr/share/lxc/config/userns.conf
            lxc.uts.name = guest
            lxc.rootfs.path = dir:{root}
            lxc.rootfs.options = idmap=container
            lxc.idmap = u 0 1900100000 65536
            lxc.idmap = g 0 1900100000 65536
            lxc.net.0.type = veth
            lxc.net.0.link = {BenchmarkHost.Bridge}
            lxc.net.0.veth.pair = {BenchmarkHost.Mark}l
            lxc.net.0.flags = up
            lxc.init.cmd = /sbin/init
            lxc.cgroup.memory.limit_in_bytes = 512M
            lxc.cgroup.pids.max = 1000
            lxc.cgroup.cpu.cfs_quota_us = 100000

            """,
            cancellationToken);
        return new LxcStart(folder);
    }

    public Task StartAsync(CancellationToken cancellationToken) => CommandRunner.RunAsync([Program, "-P", _folder, "-n", Name, "-d", "-o", Path.Combine(_folder, "log")], cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => CommandRunner.RunAsync(["/usr/bin/lxc-stop", "-P", _folder, "-n", Name, "-k"], cancellationToken);
}
