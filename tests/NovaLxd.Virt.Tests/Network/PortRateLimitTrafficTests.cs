using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt.Tests.Network;

/// <summary>Real TCP through a limited port, compared with the same through an unlimited one.</summary>
[Trait("Lane", "root")]
public sealed class PortRateLimitTrafficTests : IAsyncLifetime
{
    /// <summary>Little enough that an emulated and busy machine is several times faster without the limit.</summary>
    private const long Kilobytes = 250;

    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(1.5);

    private readonly PortSpec _port = new()
    {
        Id = new Guid("7a000000-0000-4000-8000-000000000001"),
        VifType = "bridge",
        MacAddress = "fa:16:3e:00:00:01",
        HostDevice = "tap7a000000-00",
        Bridge = "brqlimits",
        CreateBridge = true,
    };

    private readonly LinuxBridgePlug _plug = new(NullLoggerFactory.Instance.CreateLogger<LinuxBridgePlug>());
    private NetworkNamespace _host = null!;
    private NetworkNamespace _guest = null!;
    private NetworkNamespace _far = null!;

    public async Task InitializeAsync()
    {
        _host = await NetworkNamespace.CreateAsync();
        _guest = await NetworkNamespace.CreateAsync();
        _far = await NetworkNamespace.CreateAsync();
        await PlugAsync(_port);
        await MoveAsync("nlx7a000000-00", _guest);
        await _host.ShellAsync("ip link add out type veth peer name in; ip link set out up master brqlimits");
        await MoveAsync("in", _far);
        await Traffic.AddressAsync(_guest, "192.0.2.1");
        await Traffic.AddressAsync(_far, "192.0.2.2");
    }

    public Task DisposeAsync()
    {
        _plug.Dispose();
        _guest.Dispose();
        _far.Dispose();
        _host.Dispose();
        return Task.CompletedTask;
    }

    [Fact]
    public async Task InboundLimitsWhatTheGuestReceivesAndNothingElse()
    {
        await PlugAsync(_port with { Inbound = new PortRate(Kilobytes, BurstKilobytes: 64) });

        await AssertLimitedAsync(ReceivedByGuestAsync);
        await AssertUnlimitedAsync(SentByGuestAsync);
    }

    [Fact]
    public async Task OutboundLimitsWhatTheGuestSendsAndNothingElse()
    {
        await PlugAsync(_port with { Outbound = new PortRate(Kilobytes, BurstKilobytes: 64) });

        await AssertLimitedAsync(SentByGuestAsync);
        await AssertUnlimitedAsync(ReceivedByGuestAsync);
    }

    [Fact]
    public async Task LimitsCanBeChangedAndTakenAway()
    {
        await PlugAsync(_port with { Inbound = new PortRate(100), Outbound = new PortRate(100) });
        await PlugAsync(_port with { Inbound = new PortRate(Kilobytes, BurstKilobytes: 64), Outbound = new PortRate(Kilobytes, BurstKilobytes: 64) });
        await AssertLimitedAsync(SentByGuestAsync);
        await AssertLimitedAsync(ReceivedByGuestAsync);

        await PlugAsync(_port);

        await AssertUnlimitedAsync(SentByGuestAsync);
        await AssertUnlimitedAsync(ReceivedByGuestAsync);
        Assert.Null(await _host.FindAsync("nlq7a000000-00"));
    }

    [Fact]
    public async Task TheKernelHasTheFiguresThatWereAskedFor()
    {
        await PlugAsync(_port with { Inbound = new PortRate(2000, 8000, 128), Outbound = new PortRate(12_500_000) });

        Assert.Contains(
            "rate 16Mbit burst 128Kb peakrate 64Mbit minburst",
            await _host.ShellAsync($"tc qdisc show dev {_port.HostDevice} root"),
            StringComparison.Ordinal);
        Assert.Contains("rate 100Gbit", await _host.ShellAsync("tc qdisc show dev nlq7a000000-00 root"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AForeignQueueingDisciplineStays()
    {
        await _host.ShellAsync(
            $"tc qdisc replace dev {_port.HostDevice} root tbf rate 9mbit burst 32k latency 50ms; tc qdisc add dev {_port.HostDevice} ingress");

        await PlugAsync(_port);

        var kinds = await _host.ShellAsync($"tc qdisc show dev {_port.HostDevice}");
        Assert.Contains("rate 9Mbit", kinds, StringComparison.Ordinal);
        Assert.Contains("ingress", kinds, StringComparison.Ordinal);
    }

    private Task<(long Bytes, double Seconds)> ReceivedByGuestAsync(Func<double, double> least) => Traffic.MeasureAsync(_far, _guest, "192.0.2.1", Duration, least);

    private Task<(long Bytes, double Seconds)> SentByGuestAsync(Func<double, double> least) => Traffic.MeasureAsync(_guest, _far, "192.0.2.2", Duration, least);

    /// <summary>The rate and one burst.</summary>
    private static double Allowed(double seconds) => (Kilobytes * 1000 * seconds) + (64 * 1024);

    /// <summary>At most what is allowed, a tenth more for what is under way; and not far below, which a policer would be.</summary>
    private static async Task AssertLimitedAsync(Func<Func<double, double>, Task<(long Bytes, double Seconds)>> measure)
    {
        var (bytes, seconds) = await measure(duration => 0.4 * Allowed(duration));
        Assert.InRange(bytes, 0.4 * Allowed(seconds), 1.1 * Allowed(seconds));
    }

    private static async Task AssertUnlimitedAsync(Func<Func<double, double>, Task<(long Bytes, double Seconds)>> measure)
    {
        var (bytes, seconds) = await measure(Least);
        Assert.InRange(bytes, Least(seconds), double.PositiveInfinity);

        static double Least(double duration) => 4 * Kilobytes * 1000 * duration;
    }

    private Task<ContainerNic> PlugAsync(PortSpec port) => _host.RunAsync(() => _plug.PlugAsync(port, "eth0", CancellationToken.None));

    private Task<bool> MoveAsync(string device, NetworkNamespace to) => _host.RunAsync(() =>
    {
        using var rtnetlink = Rtnetlink.Open();
        rtnetlink.MoveToNamespace(rtnetlink.Find(device)!.Index, to.Handle, "eth0");
        return true;
    });
}
