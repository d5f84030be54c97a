using System.Globalization;

namespace NovaLxd.Virt.Tests.Engine;

/// <summary>Life and death of busybox containers, through client, supervisor and kernel.</summary>
[Trait("Lane", "root")]
public sealed class ContainerEngineTests : IAsyncLifetime
{
    private EngineHost _host = null!;

    public async Task InitializeAsync() => _host = await EngineHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task BootsBusyboxAndRunsCommandsInIt()
    {
        var spec = _host.NewSpec("::sysinit:/bin/echo booted\n::respawn:/bin/sleep 1000000\n");
        var container = await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        Assert.Equal(ContainerState.Running, container.State);
        Assert.Equal(spec.Hostname, await _host.ShellAsync(spec.Id, "hostname"));
        Assert.Equal("uid=0(root) gid=0", await _host.ShellAsync(spec.Id, "id"));
        await EngineHost.UntilAsync("console", async () => (await _host.ConsoleAsync(spec.Id)).Contains("booted", StringComparison.Ordinal));
        var again = await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        Assert.Equal(container.InitPid, again.InitPid);
    }

    [Fact]
    public async Task HasDevicesMountsAndNamesOfItsOwn()
    {
        var spec = _host.NewSpec();
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        var script = """
            for d in null zero full random urandom tty; do [ -c /dev/$d ] || echo no /dev/$d; done
            head -c 8 /dev/urandom >/dev/null || echo urandom
            echo x >/dev/null || echo null
            [ "$(cat /dev/fd/0 </dev/null)" = "" ] || echo fd
            [ -c /dev/pts/ptmx ] && [ -c /dev/console ] || echo terminals
            echo y >/dev/shm/x && cat /dev/shm/x >/dev/null || echo shm
            grep -q ' /dev/mqueue mqueue ' /proc/mounts || echo mqueue
            [ "$(cat /proc/kcore)" = "" ] || echo kcore
            echo 1 2>/dev/null >/proc/sys/vm/drop_caches && echo drop_caches
            echo b 2>/dev/null >/proc/sysrq-trigger && echo sysrq
            echo 1 >/proc/sys/net/ipv4/ip_forward || echo ip_forward
            touch /sys/x 2>/dev/null && echo sys
            mount -t tmpfs x /tmp || echo tmpfs
            grep -q 'lo:' /proc/net/dev || echo lo
            [ "$(ip -o link show lo | grep -c UP)" = 1 ] || echo lo down
            [ $(ls /proc | grep -c '^[0-9]') -lt 10 ] || echo processes of others
            echo done
            """;
        var result = await _host.ShellAsync(spec.Id, script);
        Assert.Equal("done", result);
    }

    [Fact]
    public async Task APrivilegedOneHasTheHostsIdsAndStillNamespacesAndAFilter()
    {
        var spec = _host.NewPrivilegedSpec();
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        Assert.Equal("0 0 4294967295", await _host.ShellAsync(spec.Id, "echo $(cat /proc/self/uid_map)"));
        Assert.Equal(spec.Hostname, await _host.ShellAsync(spec.Id, "hostname"));
        Assert.Equal("2", await _host.ShellAsync(spec.Id, "grep Seccomp: /proc/1/status | grep -o '[0-9]'"));
        Assert.Equal("done", await _host.ShellAsync(spec.Id, "dd if=/proc/kcore bs=1 count=1 2>/dev/null | grep -q . || echo done"));
        Assert.True(await _host.Engine.StopAsync(spec.Id, EngineHost.Grace, CancellationToken.None));
    }

    [Fact]
    public async Task NothingOfTheHostIsMountedInside()
    {
        var spec = _host.NewSpec();
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        var mounts = await _host.ShellAsync(spec.Id, "cat /proc/self/mountinfo");
        Assert.DoesNotContain("ext4", mounts, StringComparison.Ordinal);
        Assert.Equal("/ overlay", string.Join(' ', mounts.Split('\n')[0].Split(' ')[4], mounts.Split('\n')[0].Split(" - ")[1].Split(' ')[0]));
        Assert.DoesNotContain("/host", mounts, StringComparison.Ordinal);
    }

    [Fact]
    public async Task StopsByItsInitsOwnSignal()
    {
        var spec = _host.NewSpec("::respawn:/bin/sleep 1000000\n::shutdown:/bin/echo bye\n");
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        Assert.True(await _host.Engine.StopAsync(spec.Id, EngineHost.Grace, CancellationToken.None));
        var container = await _host.Engine.FindAsync(spec.Id, CancellationToken.None);
        Assert.Equal((ContainerState.Stopped, 0, "the guest shut down"), (container!.State, container.InitPid, container.LastExit));
        Assert.Contains("bye", await _host.ConsoleAsync(spec.Id), StringComparison.Ordinal);
        Assert.True(await _host.Engine.StopAsync(spec.Id, EngineHost.Grace, CancellationToken.None));
        await _host.Engine.ForgetAsync(spec.Id, CancellationToken.None);
        Assert.Null(await _host.Engine.FindAsync(spec.Id, CancellationToken.None));
    }

    [Fact]
    public async Task StopsWhatIsBusyWithItsConsole()
    {
        var spec = _host.NewSpec("::respawn:/bin/sh -c 'while true; do echo tick; sleep 0.1; done'\n");
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        await EngineHost.UntilAsync("output", async () => (await _host.ConsoleAsync(spec.Id)).Contains("tick", StringComparison.Ordinal));
        Assert.True(await _host.Engine.StopAsync(spec.Id, EngineHost.Grace, CancellationToken.None));
    }

    [Fact]
    public async Task KillsWhatIgnoresItsSignals()
    {
        var spec = _host.NewSpec(init: ["/bin/sh", "-c", "trap '' TERM INT HUP PWR USR1 USR2; echo deaf; while true; do sleep 1; done"]);
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        await EngineHost.UntilAsync("deaf", async () => (await _host.ConsoleAsync(spec.Id)).Contains("deaf", StringComparison.Ordinal));
        Assert.False(await _host.Engine.StopAsync(spec.Id, TimeSpan.FromMilliseconds(300), CancellationToken.None));
        Assert.Equal(ContainerState.Stopped, (await _host.Engine.FindAsync(spec.Id, CancellationToken.None))!.State);
    }

    [Fact]
    public async Task AMissingInitFailsTheLaunchAndLeavesNothing()
    {
        var nic = await _host.NewNicAsync();
        var spec = _host.NewSpec(init: ["/sbin/none"], nics: nic);
        var failure = await Assert.ThrowsAsync<NoInitException>(() => _host.Engine.LaunchAsync(spec, CancellationToken.None));
        Assert.Contains("execve /sbin/none: No such file or directory", failure.Message, StringComparison.Ordinal);
        Assert.Null(await _host.Engine.FindAsync(spec.Id, CancellationToken.None));
        Assert.True(Directory.Exists($"/sys/class/net/{nic.PeerDevice}"));
    }

    [Fact]
    public async Task AMissingLayerFailsTheLaunchWithItsName()
    {
        var spec = _host.NewSpec();
        spec = spec with { Root = spec.Root with { LowerDirectories = ["/nowhere"] } };
        var failure = await Assert.ThrowsAsync<LaunchFailedException>(() => _host.Engine.LaunchAsync(spec, CancellationToken.None));
        Assert.Contains("/nowhere: No such file or directory", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("echo no disk; exit 3", ContainerEventKind.Crashed, "init exited with status 3; its console said last: no disk")]
    [InlineData("exit 0", ContainerEventKind.Stopped, "init exited")]
    public async Task ReportsAnInitThatExitsAtOnce(string script, ContainerEventKind kind, string words)
    {
        var spec = _host.NewSpec(init: ["/bin/sh", "-c", script]);
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        var happened = await _host.NextEventAsync(spec.Id, kind);
        Assert.StartsWith(words, happened.Detail, StringComparison.Ordinal);
        Assert.StartsWith(words, (await _host.Engine.FindAsync(spec.Id, CancellationToken.None))!.LastExit, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FreezesAndStopsWhatIsFrozen()
    {
        var spec = _host.NewSpec();
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        await _host.Engine.FreezeAsync(spec.Id, CancellationToken.None);
        await _host.Engine.FreezeAsync(spec.Id, CancellationToken.None);
        Assert.Equal(ContainerState.Frozen, (await _host.Engine.FindAsync(spec.Id, CancellationToken.None))!.State);
        await Assert.ThrowsAsync<ContainerStateException>(() => _host.ShellAsync(spec.Id, "true"));
        await _host.Engine.UnfreezeAsync(spec.Id, CancellationToken.None);
        Assert.Equal("alive", await _host.ShellAsync(spec.Id, "echo alive"));
        await _host.Engine.FreezeAsync(spec.Id, CancellationToken.None);
        Assert.True(await _host.Engine.StopAsync(spec.Id, EngineHost.Grace, CancellationToken.None));
    }

    [Fact]
    public async Task CountsWhatItUses()
    {
        var nic = await _host.NewNicAsync();
        var spec = _host.NewSpec(nics: nic);
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        await _host.ShellAsync(spec.Id, "for i in $(seq 2000); do :; done");
        await _host.BootedAsync(spec.Id);
        var usage = await _host.Engine.GetUsageAsync(spec.Id, CancellationToken.None);
        Assert.True(usage.CpuNanoseconds > 0 && usage.MemoryBytes > 0 && usage.Uptime > TimeSpan.Zero, usage.ToString());
        Assert.Equal(256 << 20, usage.MemoryLimitBytes);
        Assert.Equal(nic.PortId, Assert.Single(usage.Ports).PortId);
    }

    [Fact]
    public async Task KeepsTheNewestConsoleOutputInOrder()
    {
        var spec = _host.NewSpec("::sysinit:/bin/seq 1 20000\n::respawn:/bin/sleep 1000000\n");
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        await EngineHost.UntilAsync("the last line", async () => (await _host.ConsoleAsync(spec.Id)).EndsWith("\n20000\r\n", StringComparison.Ordinal));
        var log = await _host.ConsoleAsync(spec.Id);
        Assert.Equal(spec.ConsoleLogBytes, log.Length);
        var numbers = log.Split("\r\n", StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(line => int.Parse(line, CultureInfo.InvariantCulture)).ToArray();
        Assert.Equal(Enumerable.Range(numbers[0], numbers.Length), numbers);
        await _host.Engine.StopAsync(spec.Id, TimeSpan.Zero, CancellationToken.None);
        var tail = EngineHost.Text(await _host.Engine.ReadConsoleLogAsync(spec.Id, 7, CancellationToken.None));
        Assert.Equal("20000\r\n", tail);
    }

    [Fact]
    public async Task AGuestThatWritesWithoutEndHoldsUpNobody()
    {
        var noisy = _host.NewSpec("::respawn:/bin/cat /dev/zero\n");
        await _host.Engine.LaunchAsync(noisy, CancellationToken.None);
        var quiet = _host.NewSpec();
        await _host.Engine.LaunchAsync(quiet, CancellationToken.None);
        Assert.Equal("here", await _host.ShellAsync(quiet.Id, "echo here"));
        Assert.True(await _host.Engine.StopAsync(quiet.Id, EngineHost.Grace, CancellationToken.None));
    }
}
