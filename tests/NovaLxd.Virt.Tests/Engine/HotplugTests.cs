using System.Globalization;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt.Tests.Engine;

/// <summary>Interfaces that come and go while the guest runs, and what reboots and new supervisors make of them.</summary>
[Trait("Lane", "root")]
public sealed class HotplugTests : IAsyncLifetime
{
    private readonly CancellationToken _token = CancellationToken.None;
    private EngineHost _host = null!;

    public async Task InitializeAsync() => _host = await EngineHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task AGuestThatRunsGetsAnInterfaceAndKeepsItOverReboots()
    {
        var (spec, _) = await LaunchAsync("eth0");
        var nic = await _host.NewNicAsync("eth1");
        await _host.Engine.AttachNicAsync(spec.Id, nic, _token);
        Assert.Equal($"eth0 eth1 {nic.MacAddress} 1450", await _host.ShellAsync(
            spec.Id, "cd /sys/class/net; echo $(ls -d eth*) $(cat eth1/address eth1/mtu)"));
        await _host.ShellAsync(spec.Id, "ip link set eth1 up && ip addr add 10.9.9.9/24 dev eth1 && ip addr show dev eth1 | grep 10.9.9.9");

        await RebootAsync(spec);
        Assert.Equal("eth0 eth1", await InterfacesAsync(spec));
        await _host.Engine.RebootAsync(spec.Id, TimeSpan.Zero, _token);
        Assert.Equal("eth0 eth1", await InterfacesAsync(spec));
    }

    [Fact]
    public async Task OneFromTheMiddleGoesAndTheOthersKeepTheirNamesOverAReboot()
    {
        var (spec, nics) = await LaunchAsync("eth0", "eth1", "eth2");
        await _host.Engine.DetachNicAsync(spec.Id, nics[1].PortId, _token);
        await EngineHost.RunAsync("ip", "link", "delete", nics[1].HostDevice);
        await EngineHost.UntilAsync("the guest's end is gone", async () => await InterfacesAsync(spec) == "eth0 eth2");
        await RebootAsync(spec);
        Assert.Equal("eth0 eth2", await InterfacesAsync(spec));
        Assert.Equal(nics[2].MacAddress, await _host.ShellAsync(spec.Id, "cat /sys/class/net/eth2/address"));
        var log = await File.ReadAllTextAsync(Path.Combine(_host.Options.RuntimeDirectory, "supervisor.log"));
        Assert.DoesNotContain("stays away", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AttachingTwiceIsOnceAndOneThatTheGuestRenamedIsLeftAlone()
    {
        var (spec, _) = await LaunchAsync("eth0");
        var nic = await _host.NewNicAsync("eth1");
        await _host.Engine.AttachNicAsync(spec.Id, nic, _token);
        await _host.ShellAsync(spec.Id, "ip link set eth1 name lan && ip link set lan up");
        await _host.Engine.AttachNicAsync(spec.Id, nic, _token);
        Assert.Equal("up", await _host.ShellAsync(spec.Id, "ip link show lan | grep -q 'UP' && echo up"));
        await RebootAsync(spec);
        Assert.Equal("eth0 eth1", await InterfacesAsync(spec));
    }

    [Fact]
    public async Task AFrozenGuestFindsItsNewInterfaceWhenItIsThawed()
    {
        var (spec, nics) = await LaunchAsync("eth0", "eth1");
        await _host.Engine.FreezeAsync(spec.Id, _token);
        await _host.Engine.AttachNicAsync(spec.Id, await _host.NewNicAsync("eth2"), _token);
        await _host.Engine.DetachNicAsync(spec.Id, nics[0].PortId, _token);
        await EngineHost.RunAsync("ip", "link", "delete", nics[0].HostDevice);
        await _host.Engine.UnfreezeAsync(spec.Id, _token);
        await EngineHost.UntilAsync("eth1 and eth2", async () => await InterfacesAsync(spec) == "eth1 eth2");
    }

    [Theory]
    [InlineData("KILL")]
    [InlineData("USR2")]
    public async Task ASuccessorKnowsWhatCameAndWent(string signal)
    {
        var (spec, nics) = await LaunchAsync("eth0", "eth1");
        await _host.Engine.AttachNicAsync(spec.Id, await _host.NewNicAsync("eth2"), _token);
        await _host.Engine.DetachNicAsync(spec.Id, nics[0].PortId, _token);
        await EngineHost.RunAsync("ip", "link", "delete", nics[0].HostDevice);

        var supervisor = _host.FindSupervisor();
        await EngineHost.RunAsync("kill", $"-{signal}", supervisor.ToString(CultureInfo.InvariantCulture));
        if (signal == "KILL")
        {
            await ProcessEnd.WaitAsync(supervisor);
        }
        else
        {
            await EngineHost.UntilAsync("the upgrade", async () => (await File.ReadAllTextAsync(Path.Combine(_host.Options.RuntimeDirectory, "supervisor.log")))
                .Contains("upgraded in place", StringComparison.Ordinal));
        }

        await _host.Engine.AttachNicAsync(spec.Id, await _host.NewNicAsync("eth3"), _token);
        await _host.Engine.RebootAsync(spec.Id, TimeSpan.FromSeconds(30), _token);
        Assert.Equal("eth1 eth2 eth3", await InterfacesAsync(spec));
    }

    [Fact]
    public async Task AnInterfaceThatItsSupervisorDidNotWriteDownIsTakenOver()
    {
        var (spec, _) = await LaunchAsync("eth0");
        var nic = await _host.NewNicAsync("eth1");
        var init = (await _host.Engine.FindAsync(spec.Id, _token))!.InitPid;
        using (var inside = NicMover.TryOpenNamespace(init)!)
        {
            NicMover.MoveIn(nic, inside);
        }

        await _host.Engine.AttachNicAsync(spec.Id, nic, _token);
        await RebootAsync(spec);
        Assert.Equal("eth0 eth1", await InterfacesAsync(spec));
    }

    [Fact]
    public async Task WhatCannotBeAttachedIsSaidAndNothingIsKept()
    {
        var (spec, _) = await LaunchAsync("eth0");
        var nic = await _host.NewNicAsync("eth0");
        var failure = await Assert.ThrowsAsync<ContainerStateException>(() => _host.Engine.AttachNicAsync(spec.Id, nic, _token));
        Assert.Contains("has an interface eth0 already", failure.Message, StringComparison.Ordinal);
        Assert.True(Directory.Exists($"/sys/class/net/{nic.PeerDevice}"));

        var gone = nic with { GuestName = "eth1", HostDevice = "nothere0", PeerDevice = "nothere1" };
        await Assert.ThrowsAsync<NovaLxd.Virt.Kernel.KernelException>(() => _host.Engine.AttachNicAsync(spec.Id, gone, _token));
        await Assert.ThrowsAsync<ContainerNotFoundException>(() => _host.Engine.AttachNicAsync(Guid.NewGuid(), nic, _token));

        await _host.Engine.StopAsync(spec.Id, TimeSpan.Zero, _token);
        await Assert.ThrowsAsync<ContainerStateException>(() => _host.Engine.AttachNicAsync(spec.Id, nic, _token));
        await _host.Engine.DetachNicAsync(spec.Id, nic.PortId, _token);
        await _host.Engine.DetachNicAsync(Guid.NewGuid(), nic.PortId, _token);
    }

    [Fact]
    public async Task WhatWasAttachedWaitsOnTheHostAfterAStop()
    {
        var (spec, _) = await LaunchAsync("eth0");
        var nic = await _host.NewNicAsync("eth1");
        await _host.Engine.AttachNicAsync(spec.Id, nic, _token);
        await _host.Engine.StopAsync(spec.Id, TimeSpan.Zero, _token);
        Assert.True(Directory.Exists($"/sys/class/net/{nic.PeerDevice}"));
    }

    private async Task<(LaunchSpec Spec, ContainerNic[] Nics)> LaunchAsync(params string[] names)
    {
        var nics = new List<ContainerNic>();
        foreach (var name in names)
        {
            nics.Add(await _host.NewNicAsync(name));
        }

        var spec = _host.NewSpec(nics: [.. nics]);
        await _host.Engine.LaunchAsync(spec, _token);
        return (spec, [.. nics]);
    }

    private async Task RebootAsync(LaunchSpec spec)
    {
        await _host.EndByAsync(spec.Id, "reboot");
        await _host.NextEventAsync(spec.Id, ContainerEventKind.Rebooted);
    }

    private Task<string> InterfacesAsync(LaunchSpec spec) => _host.ShellAsync(spec.Id, "cd /sys/class/net; echo $(ls -d eth*)");
}
