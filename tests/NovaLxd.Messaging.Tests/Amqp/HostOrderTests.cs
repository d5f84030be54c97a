using NovaLxd.Messaging.Amqp;

namespace NovaLxd.Messaging.Tests.Amqp;

public sealed class HostOrderTests
{
    private static readonly TransportHost[] Hosts = [.. Enumerable.Range(0, 5).Select(i => new TransportHost($"h{i}", 5672, "", ""))];

    [Fact]
    public void RoundRobinTriesEveryHostBeforeOneAgain()
    {
        var order = new HostOrder(Hosts, "round-robin");

        var first = Enumerable.Range(0, 5).Select(_ => order.Next()).ToList();
        var second = Enumerable.Range(0, 5).Select(_ => order.Next()).ToList();

        Assert.Equal(5, first.Distinct().Count());
        Assert.Equal(first, second);
    }

    [Fact]
    public void ListIsShuffledSoThatServicesSpread() =>
        Assert.True(Enumerable.Range(0, 200).Select(_ => new HostOrder(Hosts, "round-robin").Next()).Distinct().Count() > 1);

    [Fact]
    public void ShuffleReachesEveryHost()
    {
        var order = new HostOrder(Hosts, "shuffle");

        Assert.Equal(5, Enumerable.Range(0, 500).Select(_ => order.Next()).Distinct().Count());
    }

    [Fact]
    public void WaitsOnlyAfterAllHostsFailedAndGrowsToTheLimit()
    {
        var delays = new ReconnectDelays(new RabbitOptions { RabbitIntervalMax = 4 }, 2);

        Assert.Equal([0, 1, 0, 3, 0, 4, 0, 4], Enumerable.Range(0, 8).Select(_ => (int)delays.AfterFailure().TotalSeconds));
        delays.Reset();
        Assert.Equal([0, 1], Enumerable.Range(0, 2).Select(_ => (int)delays.AfterFailure().TotalSeconds));
    }
}
