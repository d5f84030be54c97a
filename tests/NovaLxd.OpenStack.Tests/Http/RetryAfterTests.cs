using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using NovaLxd.OpenStack.Neutron;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.OpenStack.Tests.Http;

public sealed class RetryAfterTests : CloudTest
{
    private readonly FakeTimeProvider time = new();

    protected override TimeProvider Time => time;

    [Fact]
    public async Task PauseThatTheServiceAsksForIsKept()
    {
        Cloud.Neutron.Faults.Add(new Fault { Status = 503, RetryAfterSeconds = 20, Times = 1 });
        var call = Start().GetRequiredService<INeutronApi>().ListExtensionsAsync(Service, Never);
        while (Cloud.Neutron.Requests.Count == 0)
            await Task.Delay(5);
        await Task.Delay(50);
        time.Advance(TimeSpan.FromSeconds(19));
        await Task.Delay(50);
        Assert.Single(Cloud.Neutron.Requests);

        // Not beyond the second request: its own time limit is by the same clock.
        while (Cloud.Neutron.Requests.Count < 2)
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(5);
        }

        await call;
        Assert.Equal([503, 200], Cloud.Neutron.Requests.Select(r => r.Status));
    }
}
