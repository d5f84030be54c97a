using System.Diagnostics;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Tests.Network;

namespace NovaLxd.Virt.Tests.Kernel;

[Trait("Lane", "root")]
public sealed class RtnetlinkTests
{
    private const int EEXIST = 17;

    [Fact]
    public async Task ListsWhatIpLists()
    {
        using var place = await NetworkNamespace.CreateAsync();
        await place.ShellAsync("ip link add left type veth peer right; ip link add middle type bridge; ip link set left master middle up");

        var ours = (await place.LinksAsync()).Select(link => $"{link.Index}: {link.Name} {link.MacAddress} {link.Mtu}");

        var theirs = await place.ShellAsync("ip -o link | sed -E 's/^([0-9]+): ([^:@]+).* mtu ([0-9]+) .* link\\/[a-z]+ ([0-9a-f:]+) .*/\\1: \\2 \\4 \\3/'");
        Assert.Equal(theirs.Split('\n', StringSplitOptions.RemoveEmptyEntries), ours);
    }

    [Fact]
    public async Task ListsMoreThanOneAnswerHolds()
    {
        using var place = await NetworkNamespace.CreateAsync();

        var listed = await place.RunAsync(() =>
        {
            using var rtnetlink = Rtnetlink.Open();
            for (var i = 0; i < 150; i++)
            {
                rtnetlink.AddVethPair(new VethEnd($"left{i}", null, 1500), new VethEnd($"right{i}", null, 1500));
            }

            return rtnetlink.List();
        });

        Assert.Equal(300, listed.Count(link => link.Kind == "veth"));
        Assert.Equal(300, listed.Where(link => link.Kind == "veth").Select(link => link.Peer).Distinct().Count());
    }

    [Fact]
    public async Task SaysWhatTheKernelSaid()
    {
        using var place = await NetworkNamespace.CreateAsync();

        var (taken, tooLarge) = await place.RunAsync(() =>
        {
            using var rtnetlink = Rtnetlink.Open();
            rtnetlink.AddBridge(new BridgeSettings("once"));
            return (
                Assert.Throws<KernelException>(() => rtnetlink.AddBridge(new BridgeSettings("once"))),
                Assert.Throws<KernelException>(() => rtnetlink.SetMtu(rtnetlink.Find("lo")!.Index, -1)));
        });

        Assert.Equal((EEXIST, "RTM_NEWLINK bridge", "once"), (taken.Errno, taken.Call, taken.Target));
        Assert.Contains("File exists", taken.Message, StringComparison.Ordinal);
        Assert.Contains(": mtu ", tooLarge.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFailedRequestLeavesTheSocketUsable()
    {
        using var place = await NetworkNamespace.CreateAsync();

        var name = await place.RunAsync(() =>
        {
            using var rtnetlink = Rtnetlink.Open();
            Assert.Throws<KernelException>(() => rtnetlink.SetUp(4711));
            Assert.Null(rtnetlink.Find("nowhere"));
            return rtnetlink.Find(1)?.Name;
        });

        Assert.Equal("lo", name);
    }

    [Fact]
    public async Task MovesAnInterfaceIntoTheNamespaceOfAProcessUnderANewName()
    {
        using var place = await NetworkNamespace.CreateAsync();
        using var other = await NetworkNamespace.CreateAsync();
        using var process = await other.RunAsync(() => Process.Start(new ProcessStartInfo("sleep", "1000000"))!);
        try
        {
            var moved = await place.RunAsync(() =>
            {
                using var rtnetlink = Rtnetlink.Open();
                rtnetlink.AddVethPair(new VethEnd("here", null, 1500), new VethEnd("there", "fa:16:3e:aa:bb:cc", 1400));
                rtnetlink.SetUp(rtnetlink.Find("there")!.Index);
                rtnetlink.MoveToNamespace(rtnetlink.Find("there")!.Index, process.Id, "eth0");
                return (rtnetlink.Find("there"), rtnetlink.Find("here")!.PeerNamespaceId);
            });

            Assert.Null(moved.Item1);
            Assert.InRange(moved.PeerNamespaceId ?? -1, 0, int.MaxValue);
            var arrived = await other.GetAsync("eth0");
            Assert.Equal(("fa:16:3e:aa:bb:cc", 1400, false), (arrived.MacAddress, arrived.Mtu, arrived.IsUp));
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    [Fact]
    public async Task DeletingWhatIsGoneIsNoError()
    {
        using var place = await NetworkNamespace.CreateAsync();

        var left = await place.RunAsync(() =>
        {
            using var rtnetlink = Rtnetlink.Open();
            rtnetlink.AddVethPair(new VethEnd("here", null, 1500), new VethEnd("there", null, 1500));
            var (here, there) = (rtnetlink.Find("here")!.Index, rtnetlink.Find("there")!.Index);
            rtnetlink.Delete(here);
            rtnetlink.Delete(there);
            return rtnetlink.List().Count(link => link.Kind is not null);
        });

        Assert.Equal(0, left);
    }

    [Fact]
    public async Task StaysInTheNamespaceItWasOpenedIn()
    {
        using var place = await NetworkNamespace.CreateAsync();
        await place.ShellAsync("ip link add only type bridge");
        using var rtnetlink = await place.RunAsync(Rtnetlink.Open);

        Assert.NotNull(rtnetlink.Find("only"));
    }
}
