using System.Text.Json;
using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt.Tests.Network;

[Trait("Lane", "root")]
public sealed class LinuxBridgePlugTests : PortPlugContract
{
    private const string Bridge = "brq0a1b2c3d-4e";

    private protected override Task<IPortPlug> CreatePlugAsync() => Task.FromResult<IPortPlug>(new LinuxBridgePlug(Loggers.CreateLogger<LinuxBridgePlug>()));

    private protected override PortSpec NewPort() => NewPort("bridge", Bridge) with { CreateBridge = true };

    [Fact]
    public async Task MakesTheBridgeAsOsVifDoes()
    {
        var port = NewPort() with { Mtu = 1450 };

        await PlugAsync(port);

        using var bridge = JsonDocument.Parse(await Host.ShellAsync($"ip -d -j link show {Bridge}"));
        var data = bridge.RootElement[0].GetProperty("linkinfo").GetProperty("info_data");
        Assert.Equal(
            (0, 0, 0, 30000),
            (Number("forward_delay"), Number("stp_state"), Number("mcast_snooping"), Number("ageing_time")));
        Assert.Equal("1 1 2", await SettingsAsync($"ipv6/conf/{Bridge}/disable_ipv6 ipv4/conf/{Bridge}/arp_ignore ipv4/conf/{Bridge}/arp_announce"));
        Assert.Equal("1", await SettingsAsync($"ipv6/conf/{port.HostDevice}/disable_ipv6"));
        var made = await Host.GetAsync(Bridge);
        Assert.Equal((true, 1450), (made.IsUp, made.Mtu));
        Assert.Equal(made.Index, (await Host.GetAsync(port.HostDevice)).Master);

        int Number(string property) => data.GetProperty(property).GetInt32();
    }

    [Fact]
    public async Task TheBridgesMtuFollowsTheSmallestPort()
    {
        await PlugAsync(NewPort() with { Mtu = 1450 });
        await PlugAsync(NewPort() with { Mtu = 1400 });

        Assert.Equal(1400, (await Host.GetAsync(Bridge)).Mtu);
    }

    [Fact]
    public async Task TheBridgeKeepsThePhysicalPortsAddress()
    {
        await Host.ShellAsync(
            "ip link add physical address 52:54:00:00:00:01 type veth peer far;" +
            $"ip link add {Bridge} up type bridge; ip link set physical up master {Bridge}");

        await PlugAsync(NewPort());

        Assert.Equal("52:54:00:00:00:01", (await Host.GetAsync(Bridge)).MacAddress);
    }

    [Fact]
    public async Task UsesTheAgentsBridgeAndSetsItUp()
    {
        await Host.ShellAsync($"ip link add {Bridge} type bridge stp_state 1");
        var port = NewPort() with { CreateBridge = false };

        var error = await Record.ExceptionAsync(() => PlugAsync(port));
        Assert.Null(error);
        await PlugAsync(port with { CreateBridge = true });

        var bridge = await Host.ShellAsync($"ip -d -j link show {Bridge}");
        Assert.Contains("\"stp_state\":1", bridge, StringComparison.Ordinal);
        Assert.True((await Host.GetAsync(Bridge)).IsUp);
    }

    [Fact]
    public async Task NeverMakesABridgeThatItIsNotAskedFor()
    {
        var before = await Host.LinksAsync();

        var error = await Assert.ThrowsAsync<PortPlugException>(() => PlugAsync(NewPort() with { CreateBridge = false }));

        Assert.Contains($"bridge {Bridge}, which is not on this host", error.Message, StringComparison.Ordinal);
        Assert.Equal(before.Select(Identity), (await Host.LinksAsync()).Select(Identity));
    }

    [Fact]
    public async Task RefusesABridgeThatIsNone()
    {
        await Host.ShellAsync($"ip link add {Bridge} type ifb");
        var before = await Host.LinksAsync();

        var error = await Assert.ThrowsAsync<PortPlugException>(() => PlugAsync(NewPort()));

        Assert.Contains($"{Bridge} is a ifb device and not a Linux bridge", error.Message, StringComparison.Ordinal);
        Assert.Equal(before.Select(Identity), (await Host.LinksAsync()).Select(Identity));
    }

    [Fact]
    public async Task TakesBackAnEmptyBridgeThatItMadeForNothing()
    {
        var before = await Host.LinksAsync();
        var port = NewPort();
        // A device above it keeps the host's end from becoming a bridge's port (EBUSY).
        await Host.ShellAsync(
            $"ip link add {port.HostDevice} type veth peer name {VethPort.PeerName(port)}; ip link add link {port.HostDevice} above type macvlan");

        await Assert.ThrowsAsync<PortPlugException>(() => PlugAsync(port));

        Assert.Equal(before.Select(Identity), (await Host.LinksAsync()).Select(Identity));
    }

    [Fact]
    public async Task TwoGuestsReachEachOtherAndTheirCountersAgree()
    {
        var (port, other) = (NewPort(), NewPort());
        using var guest = await EnterAsync(await PlugAsync(port));
        using var neighbour = await EnterAsync(await PlugAsync(other));

        var received = await Traffic.SendAsync(guest, "192.0.2.1", neighbour, "192.0.2.2", bytes: 200_000);

        Assert.Equal(200_000, received);
        // The last acknowledgements and the guest's own IPv6 may still be under way.
        await guest.ShellAsync("ip link set eth0 down");
        var usage = await Host.RunAsync(() => PortStatistics.Read(port));
        var inside = (await guest.GetAsync("eth0")).Statistics;
        Assert.NotNull(usage);
        Assert.Equal((port.Id, port.MacAddress), (usage.PortId, usage.MacAddress));
        Assert.InRange(usage.SentBytes, 200_000, long.MaxValue);
        Assert.Equal(
            ((long)inside.SentBytes, (long)inside.SentPackets, (long)inside.ReceivedBytes, (long)inside.ReceivedPackets),
            (usage.SentBytes, usage.SentPackets, usage.ReceivedBytes, usage.ReceivedPackets));
        Assert.Null(await Host.RunAsync(() => PortStatistics.Read(NewPort())));
    }

    private async Task<string> SettingsAsync(string names)
        => string.Join(' ', (await Host.ShellAsync($"cd /proc/sys/net; cat {names}")).Split('\n', StringSplitOptions.RemoveEmptyEntries));
}
