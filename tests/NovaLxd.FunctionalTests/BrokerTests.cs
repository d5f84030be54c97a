using NovaLxd.FunctionalTests.Site;
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
        var broker = await RabbitMqFixture.StartAsync();
        await using (broker)
        {
            var site = await ComputeSite.StartAsync(broker);
            try
            {
                site.Plane.AgentAlive = false;
                var server = await site.CreateAsync(new ServerRequest { ImageId = site.AddImage() });
                await site.UntilAsync("the port is plugged", () => Task.FromResult(site.Ports(server).Any(p => ComputeSite.TapExists((string)p["id"]!))));

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

        // The broker's own processes have other ids after a restart.
        static bool HostIsTheBrokers(string line) => line.Contains("rabbit", StringComparison.Ordinal) || line.Contains("erl", StringComparison.Ordinal);
    }
}
