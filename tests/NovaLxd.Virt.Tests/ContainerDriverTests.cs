using System.Text;
using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests;

/// <summary>The life of a container call by call: what is done in which order, and what a repeated call does.</summary>
public sealed class ContainerDriverTests : IAsyncLifetime
{
    private readonly CancellationToken _token = CancellationToken.None;
    private DriverHost _host = null!;

    private ContainerDriver Driver => _host.Driver;

    public async Task InitializeAsync() => _host = await DriverHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task ALifeFromCreateToDelete()
    {
        var spec = DriverHost.Spec();
        await Driver.CreateAsync(spec, _token);
        Assert.Equal(["create root"], _host.Journal.Take());
        Assert.Equal(ContainerState.Stopped, (await Driver.FindAsync(spec.Id, _token))!.State);

        await Driver.SetPortsAsync(spec.Id, [DriverHost.Port(1), DriverHost.Port(2)], _token);
        Assert.Equal(["plug tap1 eth0", "plug tap2 eth1"], _host.Journal.Take());

        await Driver.StartAsync(spec.Id, _token);
        Assert.Equal(["mount", "plug tap1 eth0", "plug tap2 eth1", "launch c1"], _host.Journal.Take());
        var running = (await Driver.FindAsync(spec.Id, _token))!;
        Assert.Equal((ContainerState.Running, 4711), (running.State, running.InitPid));
        Assert.NotNull(running.StartedAt);

        Assert.True(await Driver.StopAsync(spec.Id, TimeSpan.FromSeconds(30), _token));
        Assert.Equal(["stop c1 30", "forget c1", "unmount", "unplug tap1", "unplug tap2"], _host.Journal.Take());
        var stopped = (await Driver.FindAsync(spec.Id, _token))!;
        Assert.Equal((ContainerState.Stopped, 0, "halted"), (stopped.State, stopped.InitPid, stopped.LastExit));
        Assert.Null(stopped.StartedAt);

        await Driver.StartAsync(spec.Id, _token);
        Assert.Equal(["mount", "plug tap1 eth0", "plug tap2 eth1", "launch c1"], _host.Journal.Take());

        await Driver.DeleteAsync(spec.Id, _token);
        Assert.Equal(["stop c1 0", "forget c1", "unmount", "unplug tap1", "unplug tap2", "delete root"], _host.Journal.Take());
        Assert.Null(await Driver.FindAsync(spec.Id, _token));
        Assert.Empty(await Driver.ListAsync(_token));
        Assert.Empty(Directory.GetDirectories(Path.Combine(_host.Options.StateDirectory, "containers")));
    }

    [Fact]
    public async Task TheEngineIsGivenWhatTheOthersReturned()
    {
        var spec = DriverHost.Spec() with { Limits = new ResourceLimits { Cpus = 2 }, Environment = new Dictionary<string, string> { ["A"] = "b" } };
        await Driver.CreateAsync(spec, _token);
        await Driver.SetPortsAsync(spec.Id, [DriverHost.Port(1)], _token);
        await Driver.StartAsync(spec.Id, _token);

        var launched = _host.Engine.Launched[spec.Id];
        Assert.Equal("/upper", launched.Root.UpperDirectory);
        Assert.Equal(("tap1", "peertap1", "eth0"), (launched.Nics[0].HostDevice, launched.Nics[0].PeerDevice, launched.Nics[0].GuestName));
        Assert.Equal(_host.Storage.Roots[spec.Id].IdMap, launched.IdMap);
        Assert.Equal(_host.Options.IdMapBase, launched.IdMap!.HostBase);
        Assert.Equal((2, "b", "novalxd"), (launched.Limits.Cpus, launched.Environment["A"], launched.CgroupParent));
        Assert.Equal("/var/lib/lxcfs", launched.LxcfsPath);
        Assert.Equal(Path.Combine(_host.Options.StateDirectory, "containers", $"{spec.Id}", "console.log"), launched.ConsoleLogPath);
    }

    [Fact]
    public async Task WithoutLxcfsNothingOfItIsMounted()
    {
        _host.Host.Put("proc/self/mountinfo", "22 27 0:21 / /proc rw,relatime - proc proc rw\n");
        var spec = await _host.CreateRunningAsync();
        Assert.Null(_host.Engine.Launched[spec.Id].LxcfsPath);
    }

    [Fact]
    public async Task APrivilegedContainerHasNoIdMap()
    {
        var spec = DriverHost.Spec() with { Security = new SecuritySpec { Privileged = true } };
        await Driver.CreateAsync(spec, _token);
        await Driver.StartAsync(spec.Id, _token);
        Assert.Null(_host.Storage.Roots[spec.Id].IdMap);
        Assert.Null(_host.Engine.Launched[spec.Id].IdMap);
    }

    [Fact]
    public async Task ContainersShareNoIds()
    {
        var (a, b) = (DriverHost.Spec("a"), DriverHost.Spec("b"));
        await Driver.CreateAsync(a, _token);
        await Driver.CreateAsync(b, _token);
        Assert.Equal(65536u, _host.Storage.Roots[b.Id].IdMap!.HostBase - _host.Storage.Roots[a.Id].IdMap!.HostBase);
    }

    [Fact]
    public async Task CreateFailsWhenTheContainerOrItsNameExists()
    {
        var spec = await _host.CreateWithPortsAsync();
        await Assert.ThrowsAsync<ContainerExistsException>(() => Driver.CreateAsync(spec, _token));
        var failure = await Assert.ThrowsAsync<ContainerStateException>(() => Driver.CreateAsync(DriverHost.Spec(), _token));
        Assert.Contains($"{spec.Id}", failure.Message, StringComparison.Ordinal);
        Assert.Empty(_host.Journal.Take());
    }

    [Fact]
    public async Task InjectedFilesReachTheRootAndNoRecord()
    {
        var spec = await _host.CreateWithPortsAsync();
        Assert.Equal("hush", Encoding.UTF8.GetString(_host.Storage.Roots[spec.Id].Files[0].Content));
        Assert.Empty((await Driver.FindAsync(spec.Id, _token))!.Spec.Files);
        var record = await File.ReadAllTextAsync(Path.Combine(_host.Options.StateDirectory, "containers", $"{spec.Id}", "container.json"));
        Assert.DoesNotContain("secret", record, StringComparison.Ordinal);
    }

    [Fact]
    public async Task StartOfARunningAndStopOfAStoppedContainerDoNothing()
    {
        var spec = await _host.CreateRunningAsync();
        await Driver.StartAsync(spec.Id, _token);
        Assert.Empty(_host.Journal.Take());
        await Driver.FreezeAsync(spec.Id, _token);
        _host.Journal.Take();
        await Driver.StartAsync(spec.Id, _token);
        Assert.Empty(_host.Journal.Take());

        await Driver.StopAsync(spec.Id, TimeSpan.Zero, _token);
        _host.Journal.Take();
        Assert.True(await Driver.StopAsync(spec.Id, TimeSpan.FromSeconds(9), _token));
        Assert.DoesNotContain(_host.Journal.Take(), entry => entry != "unmount");
    }

    [Fact]
    public async Task StopSaysWhetherTheGuestObeyed()
    {
        var spec = await _host.CreateRunningAsync();
        _host.Engine.StopsByItself = false;
        Assert.False(await Driver.StopAsync(spec.Id, TimeSpan.FromSeconds(1), _token));
    }

    [Fact]
    public async Task FreezeAndUnfreezeOnceEach()
    {
        var spec = await _host.CreateRunningAsync();
        await Driver.UnfreezeAsync(spec.Id, _token);
        await Driver.FreezeAsync(spec.Id, _token);
        await Driver.FreezeAsync(spec.Id, _token);
        Assert.Equal(ContainerState.Frozen, (await Driver.FindAsync(spec.Id, _token))!.State);
        await Driver.UnfreezeAsync(spec.Id, _token);
        Assert.Equal(["freeze c1", "unfreeze c1"], _host.Journal.Take());
    }

    [Fact]
    public async Task WhatNeedsARunningGuestSaysSo()
    {
        var spec = await _host.CreateWithPortsAsync();
        foreach (var call in new Func<Task>[]
        {
            () => Driver.FreezeAsync(spec.Id, _token), () => Driver.UnfreezeAsync(spec.Id, _token), () => Driver.RebootAsync(spec.Id, TimeSpan.Zero, _token),
            () => Driver.ExecAsync(spec.Id, new ExecRequest { Command = ["true"] }, _token),
        })
        {
            Assert.Contains("c1 does not run", (await Assert.ThrowsAsync<ContainerStateException>(call)).Message, StringComparison.Ordinal);
        }

        await Driver.StartAsync(spec.Id, _token);
        await Driver.FreezeAsync(spec.Id, _token);
        await Assert.ThrowsAsync<ContainerStateException>(() => Driver.RebootAsync(spec.Id, TimeSpan.Zero, _token));
        await Assert.ThrowsAsync<ContainerStateException>(() => Driver.ExecAsync(spec.Id, new ExecRequest { Command = ["true"] }, _token));
    }

    [Fact]
    public async Task WhatIsNotThereIsNotFoundAndMayBeDeleted()
    {
        var id = Guid.NewGuid();
        foreach (var call in new Func<Task>[]
        {
            () => Driver.StartAsync(id, _token), () => Driver.StopAsync(id, TimeSpan.Zero, _token), () => Driver.FreezeAsync(id, _token),
            () => Driver.UnfreezeAsync(id, _token), () => Driver.RebootAsync(id, TimeSpan.Zero, _token), () => Driver.SetPortsAsync(id, [DriverHost.Port(1)], _token),
            () => Driver.GetUsageAsync(id, _token), () => Driver.ReadConsoleLogAsync(id, 1, _token), () => Driver.ExecAsync(id, new ExecRequest { Command = ["x"] }, _token),
        })
        {
            await Assert.ThrowsAsync<ContainerNotFoundException>(call);
        }

        await Driver.DeleteAsync(id, _token);
        Assert.Null(await Driver.FindAsync(id, _token));
    }

    [Fact]
    public async Task RebootAndExecReachTheEngine()
    {
        var spec = await _host.CreateRunningAsync();
        Assert.True(await Driver.RebootAsync(spec.Id, TimeSpan.FromSeconds(1), _token));
        Assert.Equal(3, (await Driver.ExecAsync(spec.Id, new ExecRequest { Command = ["true"] }, _token)).ExitCode);
        Assert.Equal(["reboot c1", "exec true"], _host.Journal.Take());
    }

    [Fact]
    public async Task UsageOfARunningContainerHasPortsAndOfAStoppedOneOnlyItsDisk()
    {
        var spec = await _host.CreateRunningAsync();
        var usage = await Driver.GetUsageAsync(spec.Id, _token);
        Assert.Equal((4711, 12345, 2), (usage.MemoryBytes, usage.DiskUsedBytes, usage.Ports.Count));
        await Driver.StopAsync(spec.Id, TimeSpan.Zero, _token);
        Assert.Equal(new ContainerUsage { DiskUsedBytes = 12345 }.ToString(), (await Driver.GetUsageAsync(spec.Id, _token)).ToString());
    }

    [Fact]
    public async Task TheConsoleLogIsReadBeforeAndAfterTheEnd()
    {
        var spec = await _host.CreateRunningAsync();
        Assert.Equal("from the engine", Encoding.UTF8.GetString(await Driver.ReadConsoleLogAsync(spec.Id, 99, _token)));
        await Driver.StopAsync(spec.Id, TimeSpan.Zero, _token);
        Assert.Equal("from console.log", Encoding.UTF8.GetString(await Driver.ReadConsoleLogAsync(spec.Id, 99, _token)));
    }

    [Fact]
    public async Task AFaultySpecIsRefusedBeforeAnythingIsMade()
    {
        await Assert.ThrowsAsync<ArgumentException>(() => Driver.CreateAsync(DriverHost.Spec("../x"), _token));
        Assert.Empty(_host.Journal.Take());
        Assert.Empty(await Driver.ListAsync(_token));
    }
}
