using System.Text.Json;
using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt.Tests.Network;

[Trait("Lane", "root")]
public sealed class OvsHybridPlugTests : PortPlugContract
{
    private OpenVSwitch _ovs = null!;

    private protected override async Task<IPortPlug> CreatePlugAsync()
    {
        _ovs = await OpenVSwitch.StartAsync(Host);
        return new OvsHybridPlug(new Ovsdb(_ovs.Options), Loggers.CreateLogger<OvsHybridPlug>());
    }

    private protected override PortSpec NewPort() => NewPort("ovs", "br-int") with
    {
        Details = new Dictionary<string, string> { [PortDetails.DatapathType] = "netdev", [PortDetails.HybridPlug] = "true" },
    };

    public override async Task DisposeAsync()
    {
        await _ovs.DisposeAsync();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task LeadsByABridgeOfThePortsOwnToTheIntegrationBridge()
    {
        var port = NewPort() with { Mtu = 1442 };
        var id = port.Id.ToString()[..11];

        await PlugAsync(port);

        var (tap, bridge) = (await Host.GetAsync("tap" + id), await Host.GetAsync("qbr" + id));
        var (down, up) = (await Host.GetAsync("qvb" + id), await Host.GetAsync("qvo" + id));
        Assert.Equal((bridge.Index, bridge.Index, up.Index), (tap.Master, down.Master, down.Peer));
        Assert.All([tap, bridge, down, up], link => Assert.True(link.IsUp, link.Name));
        Assert.All([tap, bridge, down, up], link => Assert.Equal(1442, link.Mtu));
        Assert.All([down, up], link => Assert.True(link.IsPromiscuous, link.Name));
        Assert.Equal("br-int", await _ovs.AskAsync($"port-to-br qvo{id}"));
        Assert.Equal($"\"{port.Id}\"", await _ovs.AskAsync($"get Interface qvo{id} external_ids:iface-id"));
        using var description = JsonDocument.Parse(await Host.ShellAsync($"ip -d -j link show qbr{id}"));
        Assert.Equal(0, description.RootElement[0].GetProperty("linkinfo").GetProperty("info_data").GetProperty("ageing_time").GetInt32());
        Assert.Equal(
            "1\n1\n2\n",
            await Host.ShellAsync($"cd /proc/sys/net; cat ipv6/conf/qbr{id}/disable_ipv6 ipv4/conf/qbr{id}/arp_ignore ipv4/conf/qbr{id}/arp_announce"));
    }

    [Fact]
    public async Task IsTakenApartAlthoughThePortNoLongerSaysHybrid()
    {
        var before = await PlugAndUnplugAsync(NewPort());
        var port = NewPort();
        await PlugAsync(port);
        using var plugs = new PortPlugs(new VirtOptions { StateDirectory = "/nonexistent", Ovs = _ovs.Options }, Loggers);

        await Host.RunAsync(() => plugs.UnplugAsync(port with { Details = new Dictionary<string, string>() }, CancellationToken.None));

        Assert.Equal(before, (await Host.LinksAsync()).Select(Identity));
        Assert.Equal("br-int", await _ovs.AskAsync("--columns=name list Port"));
    }

    [Fact]
    public async Task TwoGuestsReachEachOther()
    {
        using var guest = await EnterAsync(await PlugAsync(NewPort()));
        using var neighbour = await EnterAsync(await PlugAsync(NewPort()));

        Assert.Equal(100_000, await Traffic.SendAsync(guest, "192.0.2.1", neighbour, "192.0.2.2", bytes: 100_000));
    }
}
