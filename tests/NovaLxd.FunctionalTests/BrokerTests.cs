using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.Messaging;
using NovaLxd.TestCloud.RabbitMq;
using NovaLxd.Virt.Tests;

namespace NovaLxd.FunctionalTests;

/// <summary>The broker goes away in the middle; it is this test's own.</summary>
[Trait("Lane", "functional")]
public sealed class BrokerTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ABuildSurvivesARestartOfTheBroker(bool killed)
    {
        RootLane.Require();
        await using var broker = await RabbitMqFixture.StartAsync();
        var site = await ComputeSite.StartAsync(broker);
        try
        {
            site.Plane.AgentAlive = false;
            var server = await site.CreateAsync(new ServerRequest { ImageId = site.AddImage() });
            await site.UntilAsync("the port is plugged", () => Task.FromResult(
                site.Ports(server).Any(p => ComputeSite.TapExists((string)p["id"]!))));

            await (killed ? broker.KillAsync() : broker.StopAsync());
            await broker.StartAgainAsync();
            site.Plane.AgentAlive = true;

            await site.StateAsync(server, "active");
            Assert.Equal("Success", await site.FinishedAsync(server.RequestId));
            Assert.Equal("Success", await site.DeleteAsync(server));
            await site.AssertGoneAsync(server);
        }
        finally
        {
            await site.DisposeAsync(HostIsTheBrokers);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task CallsAreAnsweredAgainAfterARestartOfTheBroker(bool killed)
    {
        RootLane.Require();
        await using var broker = await RabbitMqFixture.StartAsync();
        var site = await ComputeSite.StartAsync(broker, ["rpc_response_timeout = 300"]);
        try
        {
            var server = await site.CreateActiveAsync();
            await site.CallAsync(server, "get_console_output", Tail()); // the API has its reply queue from its first call on
            var queues = await IdleQueuesAsync(site, broker);
            var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            site.Plane.Interfere = (name, _) => name == "Instance.save" && asked.TrySetResult() ? answer.Task : Task.CompletedTask;
            var pause = await site.SendAsync(server, "pause_instance", "pausing");
            await site.UntilAsync("the service calls the conductor", () => Task.FromResult(asked.Task.IsCompleted));
            using var back = new CancellationTokenSource();
            var callers = Enumerable.Range(0, 4).Select(_ => CallUntilAnsweredAsync(site, server, back.Token)).ToArray();

            await (killed ? broker.KillAsync() : broker.StopAsync());
            await broker.StartAgainAsync();
            await back.CancelAsync();
            answer.SetResult();

            // The conductor's answer finds its way over the new connections.
            Assert.Equal("Success", await site.FinishedAsync(pause));
            await site.StateAsync(server, "paused");
            Assert.Contains(BusyboxImage.Greeting, (string?)await site.CallAsync(server, "get_console_output", Tail()), StringComparison.Ordinal);
            await Task.WhenAll(callers).WaitAsync(TimeSpan.FromMinutes(5));
            await IdleQueuesAsync(site, broker, queues);
            Assert.Equal("Success", await site.DeleteAsync(server));
            await site.AssertGoneAsync(server);
        }
        finally
        {
            await site.DisposeAsync(HostIsTheBrokers);
        }
    }

    [Fact]
    public async Task ServersLeaveNoQueueAndNoMessageOnTheBroker()
    {
        RootLane.Require();
        await using var broker = await RabbitMqFixture.StartAsync();
        await using var site = await ComputeSite.StartAsync(broker);
        await OneLifeAsync(site);
        var queues = await IdleQueuesAsync(site, broker);
        Assert.NotEmpty(queues);

        for (var i = 0; i < 3; i++)
        {
            await OneLifeAsync(site);
        }

        await IdleQueuesAsync(site, broker, queues);
        await site.StopServiceAsync();
        await IdleQueuesAsync(site, broker);
    }

    private static async Task OneLifeAsync(ComputeSite site)
    {
        var server = await site.CreateActiveAsync();
        await site.CallAsync(server, "get_console_output", Tail());
        Assert.Equal("Success", await site.DeleteAsync(server));
    }

    private static JObject Tail() => new() { ["tail_length"] = null };

    /// <summary>Asks for the console again and again, until a call that was begun after <paramref name="back"/> has its answer.</summary>
    private static async Task CallUntilAnsweredAsync(ComputeSite site, Server server, CancellationToken back)
    {
        while (true)
        {
            try
            {
                var last = back.IsCancellationRequested;
                await site.CallAsync(server, "get_console_output", Tail(), timeout: TimeSpan.FromSeconds(10));
                if (last)
                {
                    return;
                }
            }
            catch (Exception e) when (e is RpcTimeoutException or MessageDeliveryException)
            {
                // Lost with the broker; the next one is the test.
            }
        }
    }

    /// <summary>The names of all queues, at a moment when no message is in any: a report or a reply may be on its way.</summary>
    /// <param name="expected">Names that there have to be, and no others; consumers may be on their way back and make theirs.</param>
    private static async Task<IReadOnlyList<string>> IdleQueuesAsync(ComputeSite site, RabbitMqFixture broker, IReadOnlyList<string>? expected = null)
    {
        IReadOnlyList<string> names = [], busy = [];
        await site.UntilAsync(
            $"no queue holds a message{(expected is null ? "" : $" and there are {string.Join(", ", expected)}")}",
            async () =>
            {
                var queues = await broker.ListAsync("list_queues", "name", "messages");
                names = [.. queues.Select(queue => queue[0]).Order(StringComparer.Ordinal)];
                busy = [.. queues.Where(queue => queue[1] != "0").Select(queue => $"{queue[0]} ({queue[1]})")];
                return busy.Count == 0 && (expected is null || names.SequenceEqual(expected));
            },
            () => $"There are {string.Join(", ", names)}; with messages: {string.Join(", ", busy)}");
        return names;
    }

    /// <summary>The broker's own processes have other ids after a restart.</summary>
    private static bool HostIsTheBrokers(string line) => line.Contains("rabbit", StringComparison.Ordinal)
        || line.Contains("erl", StringComparison.Ordinal);
}
