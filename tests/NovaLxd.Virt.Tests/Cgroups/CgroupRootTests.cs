using System.Diagnostics;
using NovaLxd.Virt.Cgroups;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Tests.Cgroups;

/// <summary>On this host's kernel, in the layout it was booted with and, where it has cgroup2 at all, in v2 alone as far as its controllers go.</summary>
[Trait("Lane", "root")]
public sealed class CgroupRootTests : IAsyncLifetime
{
    private readonly string _parent = $"nlt-cgroups-{Environment.ProcessId}";
    private readonly HostResources _before;
    private readonly List<Process> _processes = [];

    public CgroupRootTests()
    {
        RootLane.Require();
        _before = HostResources.Take(_parent);
    }

    public static TheoryData<string> Layouts => ["host", "v2"];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var process in _processes)
        {
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }

        foreach (var layout in new[] { "host", "v2" })
        {
            var tree = Tree(layout);
            tree.Open(_parent, "c1").Remove();
            tree.RemoveParent(_parent);
        }

        await _before.AssertUnchangedAsync();
    }

    [Fact]
    public void LimitsAreSetAndReadBack()
    {
        var tree = Tree("host");
        var limits = new ResourceLimits
        {
            Cpus = 0.5,
            CpuShares = 512,
            CpuSet = "0",
            MemoryBytes = (64 << 20) + 5,
            SwapBytes = 0,
            Pids = 99,
            DiskReadBytesPerSecond = 1 << 20,
        };
        var cgroup = tree.Create(_parent, "c1", limits, null);
        var unenforceable = new[] { "cpu", "cpuset", "memory", "pids", "io" }.Where(controller => tree.Find(controller) is null).ToArray();
        Assert.All(cgroup.Unenforced, sentence => Assert.Contains(unenforceable.Append("swap").Append("memsw").Append("Disk"), word => sentence.Contains(word, StringComparison.Ordinal)));
        if (tree.Find("memory") is { } memory)
        {
            Assert.Equal(64 << 20, cgroup.ReadUsage().MemoryLimitBytes);
            cgroup.Apply(new ResourceLimits { MemoryBytes = 128 << 20 });
            Assert.Equal(128 << 20, cgroup.ReadUsage().MemoryLimitBytes);
            cgroup.Apply(new ResourceLimits());
            Assert.Equal(0, cgroup.ReadUsage().MemoryLimitBytes);
        }
    }

    [Fact]
    public void ARefusedLimitIsAnErrorAndNothingIsLeft()
    {
        var tree = Tree("host");
        Assert.True(tree.Find("cpuset") is not null, "This host has no cpuset controller, which the test needs.");
        var failure = Assert.Throws<KernelException>(() => tree.Create(_parent, "c1", new ResourceLimits { CpuSet = "4000" }, null));
        Assert.Contains("'4000' to ", failure.Message, StringComparison.Ordinal);
        Assert.False(tree.Open(_parent, "c1").Exists);
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public async Task FreezingStopsEveryProcessAndThawingLetsItGoOn(string layout)
    {
        var cgroup = Tree(layout).Create(_parent, "c1", new ResourceLimits(), null);
        var process = Start(cgroup, "while :; do echo x; done");
        await process.StandardOutput.ReadLineAsync();
        Assert.False(cgroup.IsFrozen());
        cgroup.Freeze();
        Assert.True(cgroup.IsFrozen());

        // The last of its time is accounted when it is switched off the processor, a moment after it counts as frozen.
        await Task.Delay(500);
        var ticks = Ticks(process.Id);
        await Task.Delay(200);
        Assert.Equal(ticks, Ticks(process.Id));
        cgroup.Freeze();
        cgroup.Unfreeze();
        Assert.False(cgroup.IsFrozen());
        for (var i = 0; i < 20_000; i++)
        {
            Assert.Equal("x", await process.StandardOutput.ReadLineAsync());
        }

        cgroup.KillAll();
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public async Task KillingReachesWhatForksAllTheTimeAndIgnoresSignals(string layout)
    {
        var cgroup = Tree(layout).Create(_parent, "c1", new ResourceLimits { Pids = 5000 }, null);

        // Each waits for what it forks: where nobody does, a busy machine has more and more of them until the limit, at which a shell ends by itself.
        var process = Start(cgroup, """
            trap '' TERM INT
            for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
              (while :; do (sleep 0.01) & (:); (:); wait $!; done) &
            done
            while :; do (sleep 0.001) & wait $!; done
            """);
        await Engine.EngineHost.UntilAsync("20 processes", () => Task.FromResult(cgroup.Processes().Count >= 20));

        cgroup.KillAll();
        Assert.False(cgroup.Populated);
        Assert.Empty(cgroup.Processes());
        await process.WaitForExitAsync();
        Assert.Equal(137, process.ExitCode);
        cgroup.KillAll();
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public async Task KillingReachesFrozenProcesses(string layout)
    {
        var cgroup = Tree(layout).Create(_parent, "c1", new ResourceLimits(), null);
        var process = Start(cgroup, "sleep 1000");
        cgroup.Freeze();
        cgroup.KillAll();
        await process.WaitForExitAsync();
        Assert.False(cgroup.IsFrozen());
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public void ACgroupInUseIsNotMadeAnewAndOneLeftBehindIs(string layout)
    {
        var tree = Tree(layout);
        var cgroup = tree.Create(_parent, "c1", new ResourceLimits(), null);
        Start(cgroup, "sleep 1000");
        Assert.Throws<ContainerStateException>(() => tree.Create(_parent, "c1", new ResourceLimits(), null));
        Assert.True(cgroup.Populated);
        cgroup.KillAll();
        foreach (var file in cgroup.ProcsFiles)
        {
            Directory.CreateDirectory(Path.Combine(Path.GetDirectoryName(file)!, "made/by/guest"));
        }

        Assert.True(tree.Create(_parent, "c1", new ResourceLimits(), null).Exists);
        cgroup.Remove();
        Assert.False(cgroup.Exists);
        cgroup.Remove();
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public async Task OnlyTheListedDevicesCanBeOpened(string layout)
    {
        var cgroup = Tree(layout).Create(_parent, "c1", new ResourceLimits(), null);
        var process = Start(cgroup, """
            for device in null zero urandom tty loop-control mem vda sda; do
              if [ -e /dev/$device ]; then
                if head -c 0 /dev/$device 2>&1 | grep -q 'not permitted'; then echo $device no; else echo $device yes; fi
              fi
            done
            rm -f /tmp/nlt-node-$$; mknod /tmp/nlt-node-$$ c 1 1 && echo node made; rm -f /tmp/nlt-node-$$
            """);
        var answers = await process.StandardOutput.ReadToEndAsync();
        Assert.Contains("null yes", answers, StringComparison.Ordinal);
        Assert.Contains("urandom yes", answers, StringComparison.Ordinal);
        Assert.Contains("loop-control no", answers, StringComparison.Ordinal);
        Assert.DoesNotContain("da yes", answers, StringComparison.Ordinal);
        Assert.Contains("node made", answers, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheGuestsRootMayMakeChildrenWhereDelegatedAndNowhereElse()
    {
        var tree = Tree("host");
        var cgroup = tree.Create(_parent, "c1", new ResourceLimits(), new IdMap(1_000_000, 65_536));
        // A guest's /sys is its own; here the host's hierarchy would be in the way (mount(2), EBUSY).
        var script = "mount -t tmpfs none /sys/fs/cgroup || exit 1\n" + string.Join('\n', cgroup.GuestMounts.Select(mount => mount.Type == "symlink"
            ? $"ln -s {mount.Source} {mount.Target} || exit 1"
            : $"[ {mount.Target} = /sys/fs/cgroup ] || mkdir -p {mount.Target} || exit 1\n"
                + $"mount -t {mount.Type} -o nosuid,nodev,noexec{(mount.ReadOnly && mount.Type != "tmpfs" ? ",ro" : "")}{(mount.Data.Length > 0 ? "," + mount.Data : "")} "
                + $"{mount.Source} {mount.Target} || exit 1\n"
                + $"if mkdir {mount.Target}/child 2>/dev/null; then rmdir {mount.Target}/child; echo {mount.Type} {mount.Target} yes; else echo {mount.Type} {mount.Target} no; fi"));
        script += "\nif cat /proc/self/cgroup | grep -v ':/$'; then echo outside; fi";
        var process = Start(cgroup, $"exec setpriv --reuid 1000000 --regid 1000000 --clear-groups unshare --user --map-root-user --mount --cgroup sh -c '{script}'");
        var answers = await process.StandardOutput.ReadToEndAsync();
        var errors = await process.StandardError.ReadToEndAsync();
        Assert.True(errors.Length == 0, errors);
        Assert.DoesNotContain("outside", answers, StringComparison.Ordinal);
        foreach (var mount in cgroup.GuestMounts.Where(mount => mount.Type.StartsWith("cgroup", StringComparison.Ordinal)))
        {
            Assert.Contains($"{mount.Type} {mount.Target} {(mount.ReadOnly ? "no" : "yes")}", answers, StringComparison.Ordinal);
        }

        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public async Task AProcessJoinsAlthoughTheGuestHasEnabledControllers(string layout)
    {
        var tree = Tree(layout);
        Assert.True(tree.Unified is { Controllers.Count: > 0 }, "This host has no controller in cgroup v2, which the test needs.");
        var cgroup = tree.Create(_parent, "c1", new ResourceLimits(), null);
        var directory = cgroup.Directory(tree.Unified);
        File.WriteAllText(Path.Combine(directory, "cgroup.subtree_control"), "+" + tree.Unified.Controllers[0]);
        var process = Start(cgroup, "sleep 1000");
        Assert.Contains(process.Id, cgroup.Processes());
        cgroup.KillAll();
        await process.WaitForExitAsync();
    }

    [Fact]
    public async Task WorkIsCounted()
    {
        var cgroup = Tree("host").Create(_parent, "c1", new ResourceLimits(), null);
        var process = Start(cgroup, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done; read x");
        await process.StandardOutput.ReadLineAsync();
        var usage = cgroup.ReadUsage();
        Assert.True(usage.CpuNanoseconds > 0, usage.ToString());
        Assert.Equal(1, usage.Processes);
        if (Tree("host").Find("memory") is not null)
        {
            Assert.True(usage.MemoryBytes > 0, usage.ToString());
        }

        cgroup.KillAll();
    }

    /// <summary>A shell that runs the script once it is in the cgroup.</summary>
    private Process Start(ContainerCgroup cgroup, string script)
    {
        var start = new ProcessStartInfo("sh") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add("read go\n" + script);
        var process = Process.Start(start)!;
        _processes.Add(process);
        cgroup.Join(process.Id);
        process.StandardInput.WriteLine("go");
        return process;
    }

    private static CgroupTree Tree(string layout)
    {
        var lines = File.ReadAllLines("/proc/self/mountinfo").Where(line => layout != "v2" || !line.Contains(" - cgroup ", StringComparison.Ordinal)).ToArray();
        Assert.True(layout != "v2" || lines.Any(line => line.Contains(" - cgroup2 ", StringComparison.Ordinal)), "cgroup2 is not mounted on this host.");
        return Virt.Cgroups.Cgroups.Detect(lines, StorageDevice.Find("/"));
    }

    /// <summary>User and system time of a process in clock ticks (proc_pid_stat(5), fields 14 and 15).</summary>
    private static string Ticks(int pid)
    {
        var fields = File.ReadAllText($"/proc/{pid}/stat").Split(") ")[^1].Split(' ');
        return $"{fields[11]} {fields[12]}";
    }
}
