namespace NovaLxd.Virt.Tests.Engine;

[Trait("Lane", "root")]
public sealed class RebootTests : IAsyncLifetime
{
    private EngineHost _host = null!;

    public async Task InitializeAsync() => _host = await EngineHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task AGuestThatRebootsIsLaunchedAgainWithItsInterfaces()
    {
        var (first, second) = (await _host.NewNicAsync("eth0"), await _host.NewNicAsync("eth1"));
        var spec = _host.NewSpec(nics: [first, second]);
        var before = await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        await _host.BootedAsync(spec.Id);
        var hostIndex = await File.ReadAllTextAsync($"/sys/class/net/{first.HostDevice}/ifindex");
        Assert.Equal(first.MacAddress, await _host.ShellAsync(spec.Id, "cat /sys/class/net/eth0/address"));
        await _host.ShellAsync(spec.Id, "ip link set eth1 down; ip link set eth1 name lan; ip addr add 10.9.9.9/24 dev eth0; echo kept >/root/file");
        var bootId = await _host.ShellAsync(spec.Id, "cat /proc/sys/kernel/random/boot_id");

        await _host.EndByAsync(spec.Id, "reboot");
        await _host.NextEventAsync(spec.Id, ContainerEventKind.Rebooted);

        var after = await _host.Engine.FindAsync(spec.Id, CancellationToken.None);
        Assert.Equal(ContainerState.Running, after!.State);
        Assert.NotEqual(before.InitPid, after.InitPid);
        Assert.Equal(first.MacAddress, await _host.ShellAsync(spec.Id, "cat /sys/class/net/eth0/address"));
        Assert.Equal(second.MacAddress, await _host.ShellAsync(spec.Id, "cat /sys/class/net/eth1/address"));
        Assert.Equal("1450", await _host.ShellAsync(spec.Id, "cat /sys/class/net/eth0/mtu"));
        Assert.Equal("", await _host.ShellAsync(spec.Id, "ip addr show dev eth0 | grep 10.9 || true"));
        Assert.Equal("kept", await _host.ShellAsync(spec.Id, "cat /root/file"));
        Assert.NotEqual(bootId, await _host.ShellAsync(spec.Id, "cat /proc/sys/kernel/random/boot_id"));
        Assert.Equal(hostIndex, await File.ReadAllTextAsync($"/sys/class/net/{first.HostDevice}/ifindex"));
    }

    [Fact]
    public async Task RebootsFromOutside()
    {
        var spec = _host.NewSpec();
        var before = await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        Assert.True(await _host.Engine.RebootAsync(spec.Id, EngineHost.Grace, CancellationToken.None));
        var after = await _host.Engine.FindAsync(spec.Id, CancellationToken.None);
        Assert.Equal(ContainerState.Running, after!.State);
        Assert.NotEqual(before.InitPid, after.InitPid);
    }

    [Fact]
    public async Task AGuestThatDoesNotRebootIsKilledAndLaunchedAgain()
    {
        var spec = _host.NewSpec(init: ["/bin/sh", "-c", "trap '' TERM INT HUP PWR; while true; do sleep 1; done"]);
        var before = await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        Assert.False(await _host.Engine.RebootAsync(spec.Id, TimeSpan.FromMilliseconds(200), CancellationToken.None));
        Assert.NotEqual(before.InitPid, (await _host.Engine.FindAsync(spec.Id, CancellationToken.None))!.InitPid);
    }

    [Fact]
    public async Task InterfacesWaitOnTheHostAgainAfterAStop()
    {
        var nic = await _host.NewNicAsync();
        var spec = _host.NewSpec(nics: nic);
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        Assert.False(Directory.Exists($"/sys/class/net/{nic.PeerDevice}"));
        await _host.Engine.StopAsync(spec.Id, TimeSpan.Zero, CancellationToken.None);
        Assert.True(Directory.Exists($"/sys/class/net/{nic.PeerDevice}"));
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        Assert.Equal(nic.MacAddress, await _host.ShellAsync(spec.Id, "cat /sys/class/net/eth0/address"));
    }

    [Fact]
    public async Task AGuestThatRebootsInATightLoopIsHeldBackAndStopsWhenAsked()
    {
        var spec = _host.NewSpec("::sysinit:/bin/busybox reboot -f\n");
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        for (var i = 0; i < 4; i++)
        {
            await _host.NextEventAsync(spec.Id, ContainerEventKind.Rebooted);
        }

        // By itself while it runs or waits, by a kill when it is just being launched.
        await _host.Engine.StopAsync(spec.Id, TimeSpan.FromSeconds(5), CancellationToken.None);
        Assert.Equal(ContainerState.Stopped, (await _host.Engine.FindAsync(spec.Id, CancellationToken.None))!.State);
    }
}
