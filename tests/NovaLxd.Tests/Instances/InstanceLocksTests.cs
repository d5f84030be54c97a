using NovaLxd.Instances;

namespace NovaLxd.Tests.Instances;

public sealed class InstanceLocksTests
{
    private readonly InstanceLocks _locks = new();

    [Fact]
    public async Task OneAtATimeForAnInstanceAndTheFirstFirst()
    {
        var order = new List<int>();
        var first = await _locks.AcquireAsync("a", default);
        var waiting = Enumerable.Range(1, 3).Select(async n =>
        {
            using (await _locks.AcquireAsync("a", default))
            {
                order.Add(n);
            }
        }).ToList();
        Assert.Empty(order);

        first.Dispose();
        await Task.WhenAll(waiting);

        Assert.Equal([1, 2, 3], order);
        Assert.Equal(0, _locks.Count);
    }

    [Fact]
    public async Task OtherInstancesDoNotWait()
    {
        using var a = await _locks.AcquireAsync("a", default);
        using var b = await _locks.AcquireAsync("b", default);

        Assert.Equal(2, _locks.Count);
    }

    [Fact]
    public async Task GivingUpLeavesNothingBehind()
    {
        using var stop = new CancellationTokenSource();
        var held = await _locks.AcquireAsync("a", default);
        var waiting = _locks.AcquireAsync("a", stop.Token);

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        held.Dispose();
        held.Dispose();

        Assert.Equal(0, _locks.Count);
        (await _locks.AcquireAsync("a", default)).Dispose();
    }
}
