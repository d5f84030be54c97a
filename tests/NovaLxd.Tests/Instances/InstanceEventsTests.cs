using NovaLxd.Instances;

namespace NovaLxd.Tests.Instances;

public class InstanceEventsTests
{
    private static readonly Guid Instance = Guid.NewGuid();
    private static readonly ExternalEvent First = new("network-vif-plugged", "port-1");
    private static readonly ExternalEvent Second = new("network-vif-plugged", "port-2");

    private readonly InstanceEvents _events = new();

    [Fact]
    public async Task AnEventThatComesBeforeTheWaitCounts()
    {
        using var wait = _events.Prepare(Instance, [First, Second]);
        Assert.True(_events.Resolve(Instance, First, "completed"));
        Assert.True(_events.Resolve(Instance, Second, "completed"));
        Assert.True(await wait.WaitAsync(TimeSpan.FromSeconds(1), TimeProvider.System, default));
    }

    [Fact]
    public async Task OneFailedEventFailsTheWait()
    {
        using var wait = _events.Prepare(Instance, [First, Second]);
        _events.Resolve(Instance, First, "completed");
        _events.Resolve(Instance, Second, "failed");
        Assert.False(await wait.WaitAsync(TimeSpan.FromSeconds(1), TimeProvider.System, default));
    }

    [Fact]
    public async Task ATimeoutNamesWhatDidNotCome()
    {
        using var wait = _events.Prepare(Instance, [First, Second]);
        _events.Resolve(Instance, First, "completed");
        var fault = await Assert.ThrowsAsync<TimeoutException>(() => wait.WaitAsync(TimeSpan.FromMilliseconds(20), TimeProvider.System, default));
        Assert.Equal("Waited 0 s for network-vif-plugged-port-2", fault.Message);
    }

    [Fact]
    public async Task ADeleteEndsTheWait()
    {
        using var wait = _events.Prepare(Instance, [First]);
        _events.Cancel(Instance);
        await Assert.ThrowsAsync<TaskCanceledException>(() => wait.WaitAsync(TimeSpan.FromSeconds(10), TimeProvider.System, default));
    }

    [Fact]
    public void NobodyWaitsAfterTheWaitIsOver()
    {
        _events.Prepare(Instance, [First]).Dispose();
        Assert.False(_events.Resolve(Instance, First, "completed"));
        Assert.False(_events.Resolve(Guid.NewGuid(), First, "completed"));
    }
}
