using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt.Tests.Network;

[Trait("Lane", "root")]
public sealed class OvsPlugTests : PortPlugContract
{
    private OpenVSwitch _ovs = null!;

    private protected override async Task<IPortPlug> CreatePlugAsync()
    {
        _ovs = await OpenVSwitch.StartAsync(Host);
        return new OvsPlug(new Ovsdb(_ovs.Options), Loggers.CreateLogger<OvsPlug>());
    }

    private protected override PortSpec NewPort() => NewPort("ovs", "br-int") with
    {
        Details = new Dictionary<string, string> { [PortDetails.DatapathType] = "netdev", [PortDetails.InstanceId] = "6f2d3c1e-0000-4000-8000-0000000000aa" },
    };

    public override async Task DisposeAsync()
    {
        await _ovs.DisposeAsync();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task GivesThePortTheIdsByWhichTheAgentFindsIt()
    {
        var port = NewPort();

        await PlugAsync(port);

        Assert.Equal("br-int", await _ovs.AskAsync($"port-to-br {port.HostDevice}"));
        Assert.Equal("netdev", await _ovs.AskAsync("get Bridge br-int datapath_type"));
        Assert.Equal(
            $"{{attached-mac=\"{port.MacAddress}\", iface-id=\"{port.Id}\", iface-status=active, vm-uuid=\"6f2d3c1e-0000-4000-8000-0000000000aa\"}}",
            await _ovs.AskAsync($"get Interface {port.HostDevice} external_ids"));
        Assert.Equal("[]", await _ovs.AskAsync($"get Interface {port.HostDevice} error"));
    }

    [Fact]
    public async Task UsesTheInterfaceIdThatNeutronGave()
    {
        var port = NewPort() with
        {
            Details = new Dictionary<string, string> { [PortDetails.DatapathType] = "netdev", [PortDetails.InterfaceId] = "of-a-trunk" },
        };

        await PlugAsync(port);

        Assert.Equal("of-a-trunk", await _ovs.AskAsync($"get Interface {port.HostDevice} external_ids:iface-id"));
        Assert.DoesNotContain("vm-uuid", await _ovs.AskAsync($"get Interface {port.HostDevice} external_ids"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task IsolatesANewPortUntilTheAgentHasSeenIt()
    {
        var port = NewPort();
        var isolating = new OvsPlug(new Ovsdb(_ovs.Options with { IsolateVif = true }), Loggers.CreateLogger<OvsPlug>());

        await PlugAsync(isolating, port);
        Assert.Equal("4095", await _ovs.AskAsync($"get Port {port.HostDevice} tag"));
        await _ovs.AskAsync($"set Port {port.HostDevice} tag=7");
        await PlugAsync(isolating, port);

        Assert.Equal("7", await _ovs.AskAsync($"get Port {port.HostDevice} tag"));
    }

    [Fact]
    public async Task LeavesNoRecordInTheDatabase()
    {
        var port = NewPort() with { Inbound = new PortRate(2000, 3000, 100), Outbound = new PortRate(1000, BurstKilobytes: 10) };
        await PlugAsync(port);
        Assert.Equal("8000 80 ", await _ovs.AskAsync($"get Interface {port.HostDevice} ingress_policing_rate ingress_policing_burst | tr '\\n' ' '"));
        Assert.Equal("{max-rate=\"24000000\"}", await _ovs.AskAsync($"get QoS {port.HostDevice} other_config"));
        Assert.Equal(
            "{burst=\"819200\", max-rate=\"24000000\", min-rate=\"16000000\"}",
            await _ovs.AskAsync($"get Queue {await _ovs.AskAsync("--columns=_uuid list Queue")} other_config"));
        await PlugAsync(port with { Inbound = new PortRate(500) });
        Assert.Equal("{max-rate=\"4000000\"}", await _ovs.AskAsync($"get QoS {port.HostDevice} other_config"));

        await UnplugAsync(port);

        foreach (var table in (string[])["QoS", "Queue", "Port", "Interface"])
        {
            var names = table is "QoS" or "Queue" ? "_uuid" : "name";
            Assert.Equal(names == "name" ? "br-int" : "", await _ovs.AskAsync($"--columns={names} list {table}"));
        }
    }

    [Fact]
    public async Task LimitsCanBeTakenAway()
    {
        var port = NewPort();
        await PlugAsync(port with { Inbound = new PortRate(2000), Outbound = new PortRate(1000) });

        await PlugAsync(port);

        Assert.Equal("0 [] ", await _ovs.AskAsync($"get Interface {port.HostDevice} ingress_policing_rate -- get Port {port.HostDevice} qos | tr '\\n' ' '"));
        Assert.Equal("", await _ovs.AskAsync("list QoS"));
    }

    [Fact]
    public async Task TwoGuestsReachEachOther()
    {
        using var guest = await EnterAsync(await PlugAsync(NewPort()));
        using var neighbour = await EnterAsync(await PlugAsync(NewPort()));

        Assert.Equal(100_000, await Traffic.SendAsync(guest, "192.0.2.1", neighbour, "192.0.2.2", bytes: 100_000));
    }

    [Fact]
    public async Task TheInboundLimitHoldsForWhatTheGuestReceives()
    {
        // Little, as the userspace datapath on an emulated and busy machine is slow without any limit.
        const long Kilobytes = 50;
        using var guest = await EnterAsync(await PlugAsync(NewPort() with { Inbound = new PortRate(Kilobytes) }));
        using var neighbour = await EnterAsync(await PlugAsync(NewPort()));
        await Traffic.AddressAsync(guest, "192.0.2.1");
        await Traffic.AddressAsync(neighbour, "192.0.2.2");

        var (received, seconds) = await Traffic.MeasureAsync(neighbour, guest, "192.0.2.1", TimeSpan.FromSeconds(2), _ => 1);
        var (sent, sendSeconds) = await Traffic.MeasureAsync(guest, neighbour, "192.0.2.2", TimeSpan.FromSeconds(2), Unlimited);

        Assert.InRange(received, 1, (1.2 * Kilobytes * 1000 * seconds) + (64 * 1024));
        Assert.InRange(sent, Unlimited(sendSeconds), double.PositiveInfinity);

        static double Unlimited(double duration) => (3 * Kilobytes * 1000 * duration) + (64 * 1024);
    }

    [Fact]
    public async Task ADatabaseThatDoesNotAnswerIsSaidAndLeavesNothing()
    {
        var broken = new OvsPlug(
            new Ovsdb(new OvsOptions { Connection = "tcp:127.0.0.1:6640", Timeout = TimeSpan.FromSeconds(2) }), Loggers.CreateLogger<OvsPlug>());
        var before = await Host.LinksAsync();

        var error = await Assert.ThrowsAsync<PortPlugException>(() => PlugAsync(broken, NewPort()));

        Assert.Contains("the database listens on tcp:127.0.0.1:6640", error.Message, StringComparison.Ordinal);
        Assert.Equal(before.Select(Identity), (await Host.LinksAsync()).Select(Identity));
    }

    private Task<ContainerNic> PlugAsync(OvsPlug plug, PortSpec port) => Host.RunAsync(() => plug.PlugAsync(port, "eth0", CancellationToken.None));
}
