using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt.Tests.Network;

/// <summary>What holds for every plug. Each test has a network namespace of its own as its host.</summary>
public abstract class PortPlugContract : IAsyncLifetime
{
    private protected NetworkNamespace Host { get; private set; } = null!;

    private protected IPortPlug Plug { get; private set; } = null!;

    public virtual async Task InitializeAsync()
    {
        Host = await NetworkNamespace.CreateAsync();
        Plug = await Host.RunAsync(CreatePlugAsync);
    }

    public virtual Task DisposeAsync()
    {
        (Plug as IDisposable)?.Dispose();
        Host.Dispose();
        return Task.CompletedTask;
    }

    [Fact]
    public async Task MakesAPairUnderTheNamesTheAgentAndTheEngineKnow()
    {
        var port = NewPort() with { Mtu = 1442 };

        var nic = await PlugAsync(port, "eth3");

        Assert.Equal(new ContainerNic(port.Id, port.HostDevice, "nlx" + port.Id.ToString()[..11], "eth3", port.MacAddress, 1442), nic);
        var host = await Host.GetAsync(port.HostDevice);
        var peer = await Host.GetAsync(nic.PeerDevice);
        Assert.Equal(("veth", "veth"), (host.Kind, peer.Kind));
        Assert.Equal((peer.Index, host.Index), (host.Peer, peer.Peer));
        Assert.Equal((1442, 1442), (host.Mtu, peer.Mtu));
        Assert.Equal((true, false), (host.IsUp, peer.IsUp));
        Assert.Equal(port.MacAddress, peer.MacAddress);
        Assert.Equal("fe" + port.MacAddress[2..], host.MacAddress);
    }

    [Fact]
    public async Task LeavesTheKernelsOffloadsOn()
    {
        var port = NewPort();

        var nic = await PlugAsync(port);

        var plain = await Host.ShellAsync("ip link add probe0 type veth peer probe1; ip -d -j link show probe0");
        foreach (var device in (string[])[port.HostDevice, nic.PeerDevice])
        {
            var ours = await Host.ShellAsync($"ip -d -j link show {device}");
            foreach (var property in (string[])["gso_max_size", "gso_max_segs", "num_tx_queues", "txqlen"])
            {
                Assert.Equal(Property(plain, property), Property(ours, property));
            }
        }
    }

    [Fact]
    public async Task PlugsTwiceWithoutMakingAnew()
    {
        var port = NewPort();
        var first = await PlugAsync(port);
        var before = await Host.LinksAsync();

        var second = await PlugAsync(port);

        Assert.Equal(first, second);
        Assert.Equal(before.Select(Identity), (await Host.LinksAsync()).Select(Identity));
    }

    [Fact]
    public async Task MendsWhatWasChanged()
    {
        var port = NewPort();
        var nic = await PlugAsync(port);
        var before = await Host.LinksAsync();
        await Host.ShellAsync(
            $"ip link set {port.HostDevice} down nomaster address 02:00:00:00:00:01 mtu 1300;" +
            $"ip link set {nic.PeerDevice} address 02:00:00:00:00:02 mtu 1300; ip link set {nic.PeerDevice} name wrong");

        await PlugAsync(port);

        Assert.Equal(before.Select(Identity), (await Host.LinksAsync()).Select(Identity));
    }

    [Fact]
    public async Task CountsAPeerThatIsInAContainerAsPlugged()
    {
        var port = NewPort();
        var nic = await PlugAsync(port);
        using var guest = await EnterAsync(nic);
        var before = await Host.LinksAsync();
        var inside = await guest.GetAsync("eth0");
        Assert.Equal(port.MacAddress, inside.MacAddress);
        await Host.ShellAsync($"ip link set {port.HostDevice} down nomaster");

        await PlugAsync(port);

        Assert.Equal(before.Select(Identity), (await Host.LinksAsync()).Select(Identity));
        Assert.Equal(inside.Index, (await guest.GetAsync("eth0")).Index);
    }

    [Fact]
    public async Task MakesThePairAnewWhenItsContainerHasDied()
    {
        var port = NewPort();
        for (var round = 0; round < 5; round++)
        {
            var nic = await PlugAsync(port);
            Assert.NotNull(await Host.FindAsync(nic.PeerDevice));
            (await EnterAsync(nic)).Dispose();
            // Some time later the kernel begins to take the namespace apart, and some time after that the pair is gone.
            while (await Host.FindAsync(port.HostDevice) is { PeerNamespaceId: >= 0 })
            {
                await Task.Yield();
            }
        }
    }

    [Fact]
    public async Task MakesThePairAnewWhenOnlyTheGuestsEndIsThere()
    {
        var port = NewPort();
        await Host.ShellAsync($"ip link add stray type veth peer name {VethPort.PeerName(port)}");

        var nic = await PlugAsync(port);

        Assert.Equal((await Host.GetAsync(port.HostDevice)).Peer, (await Host.GetAsync(nic.PeerDevice)).Index);
        Assert.Null(await Host.FindAsync("stray"));
    }

    [Fact]
    public async Task UnplugTakesEverythingAwayAndMayBeRepeated()
    {
        var port = NewPort();
        await PlugAsync(NewPort());
        var before = await Host.LinksAsync();
        await PlugAsync(port with { Inbound = new PortRate(1000), Outbound = new PortRate(1000) });

        await UnplugAsync(port);
        await UnplugAsync(port);

        Assert.Equal(before.Select(Identity), (await Host.LinksAsync()).Select(Identity));
    }

    [Fact]
    public async Task UnplugsAPortWhoseContainerRuns()
    {
        var port = NewPort();
        var before = await PlugAndUnplugAsync(NewPort());
        using var guest = await EnterAsync(await PlugAsync(port));

        await UnplugAsync(port);

        Assert.Equal(before, (await Host.LinksAsync()).Select(Identity));
        Assert.Null(await guest.FindAsync("eth0"));
    }

    [Fact]
    public async Task RefusesANameThatSomethingElseHas()
    {
        var port = NewPort();
        await Host.ShellAsync($"ip link add {port.HostDevice} type bridge");

        var error = await Assert.ThrowsAsync<PortPlugException>(() => PlugAsync(port));

        Assert.Contains($"{port.HostDevice} is already there as a bridge device", error.Message, StringComparison.Ordinal);
        Assert.NotNull(await Host.FindAsync(port.HostDevice));
    }

    [Fact]
    public async Task LeavesNothingWhenItFailsAndSaysWhatTheKernelSaid()
    {
        var before = await PlugAndUnplugAsync(NewPort());

        var port = NewPort() with { Mtu = 70_000 };
        var error = await Assert.ThrowsAsync<PortPlugException>(() => PlugAsync(port));

        Assert.Contains($"RTM_NEWLINK veth {port.HostDevice}: Invalid argument", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, (await Host.LinksAsync()).Select(Identity));
    }

    [Fact]
    public async Task PlugsTwentyPortsAtOnce()
    {
        var before = await PlugAndUnplugAsync(NewPort());
        var ports = Enumerable.Range(0, 20).Select(_ => NewPort()).ToList();
        var threads = await Task.WhenAll(ports.Select(_ => NetworkNamespace.CreateAsync(Host)));

        var nics = await Task.WhenAll(ports.Zip(threads, (port, thread) => thread.RunAsync(() => Plug.PlugAsync(port, "eth0", CancellationToken.None))));

        var links = (await Host.LinksAsync()).ToDictionary(link => link.Name);
        Assert.Equal(20, nics.Select(nic => links[nic.PeerDevice].Peer).Distinct().Count());
        Assert.All(ports, port => Assert.True(links[port.HostDevice].IsUp));
        await Task.WhenAll(ports.Zip(threads, (port, thread) => thread.RunAsync(() => Plug.UnplugAsync(port, CancellationToken.None))));
        Assert.Equal(before, (await Host.LinksAsync()).Select(Identity));
        Array.ForEach(threads, thread => thread.Dispose());
    }

    private protected abstract Task<IPortPlug> CreatePlugAsync();

    private protected abstract PortSpec NewPort();

    private protected static PortSpec NewPort(string vifType, string? bridge)
    {
        var id = Guid.NewGuid();
        return new PortSpec
        {
            Id = id,
            VifType = vifType,
            MacAddress = "fa:16:3e:" + string.Join(':', id.ToByteArray()[..3].Select(b => b.ToString("x2"))),
            HostDevice = "tap" + id.ToString()[..11],
            Bridge = bridge,
        };
    }

    private protected Task<ContainerNic> PlugAsync(PortSpec port, string guestName = "eth0")
        => Host.RunAsync(() => Plug.PlugAsync(port, guestName, CancellationToken.None));

    private protected Task UnplugAsync(PortSpec port) => Host.RunAsync(() => Plug.UnplugAsync(port, CancellationToken.None));

    /// <summary>Moves the guest's end into a new namespace as the engine does.</summary>
    private protected async Task<NetworkNamespace> EnterAsync(ContainerNic nic)
    {
        var guest = await NetworkNamespace.CreateAsync();
        await Host.RunAsync(() =>
        {
            using var rtnetlink = Rtnetlink.Open();
            rtnetlink.MoveToNamespace(rtnetlink.Find(nic.PeerDevice)!.Index, guest.Handle, nic.GuestName);
            return true;
        });
        return guest;
    }

    /// <summary>The interfaces there are when no port is plugged but whatever ports share has been made.</summary>
    private protected async Task<List<object>> PlugAndUnplugAsync(PortSpec port)
    {
        await PlugAsync(port);
        await UnplugAsync(port);
        return [.. (await Host.LinksAsync()).Select(Identity)];
    }

    /// <summary>All but the counters, and but what follows from other interfaces (a bridge's address and MTU).</summary>
    private protected static object Identity(Link link) => link.Kind is "bridge" or "openvswitch" or "tun"
        ? (link.Index, link.Name, link.IsUp)
        : link with { Statistics = default, PeerNamespaceId = null };

    private protected static string Property(string ipJson, string name)
    {
        using var document = JsonDocument.Parse(ipJson);
        return document.RootElement[0].GetProperty(name).ToString();
    }

    private protected static NullLoggerFactory Loggers => NullLoggerFactory.Instance;
}
