using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests;

public sealed class ContainerDriverEventTests : IAsyncLifetime
{
    private readonly CancellationTokenSource _limit = new(TimeSpan.FromMinutes(3));
    private DriverHost _host = null!;

    public async Task InitializeAsync() => _host = await DriverHost.StartAsync();

    public async Task DisposeAsync()
    {
        await _host.DisposeAsync();
        _limit.Dispose();
    }

    [Fact]
    public async Task AGuestThatEndsByItselfIsPutAwayBeforeAnybodyHearsOfIt()
    {
        var spec = await _host.CreateRunningAsync();
        var events = _host.Driver.WatchAsync(_limit.Token);
        _host.Engine.End(spec.Id, crashed: true, "init was killed by signal 11");
        var happened = await NextAsync(events, ContainerEventKind.Crashed);
        Assert.Equal((spec.Id, "init was killed by signal 11"), (happened.Id, happened.Detail));
        Assert.Empty(_host.Plug.Plugged);
        Assert.Empty(_host.Storage.Mounted);
        Assert.Empty(_host.Engine.Containers);
        Assert.Equal(ContainerState.Crashed, (await _host.Driver.FindAsync(spec.Id, _limit.Token))!.State);
        await _host.Driver.StartAsync(spec.Id, _limit.Token);
        Assert.Equal(ContainerState.Running, (await _host.Driver.FindAsync(spec.Id, _limit.Token))!.State);
    }

    [Fact]
    public async Task EventsOfOneContainerComeInOrderAndADeletionIsOne()
    {
        var events = _host.Driver.WatchAsync(_limit.Token);
        var spec = await _host.CreateRunningAsync();
        await _host.Driver.StopAsync(spec.Id, TimeSpan.FromSeconds(1), _limit.Token);
        await _host.Driver.StartAsync(spec.Id, _limit.Token);
        var seen = new List<ContainerEventKind>();
        await foreach (var happened in events)
        {
            seen.Add(happened.Kind);
            if (seen.Count == 3)
            {
                await _host.Driver.DeleteAsync(spec.Id, _limit.Token);
            }

            if (happened.Kind == ContainerEventKind.Deleted)
            {
                break;
            }
        }

        Assert.Equal([ContainerEventKind.Started, ContainerEventKind.Stopped, ContainerEventKind.Started], seen.Take(3));
        Assert.Equal(ContainerEventKind.Deleted, seen[^1]);
    }

    [Fact]
    public async Task AnEndWhoseCleaningFailsIsReportedAllTheSame()
    {
        var spec = await _host.CreateRunningAsync();
        var events = _host.Driver.WatchAsync(_limit.Token);
        _host.Journal.Fail("unplug tap1");
        _host.Engine.End(spec.Id, crashed: false, "halted");
        await NextAsync(events, ContainerEventKind.Stopped);
        _host.Journal.Heal();
        await _host.Driver.StopAsync(spec.Id, TimeSpan.Zero, _limit.Token);
        Assert.Empty(_host.Plug.Plugged);
    }

    [Fact]
    public async Task OneContainerThatTakesLongToPutAwayDoesNotHoldUpTheEventsOfAnother()
    {
        var slow = await _host.CreateRunningAsync("slow");
        var quick = DriverHost.Spec("quick");
        await _host.Driver.CreateAsync(quick, _limit.Token);
        await _host.Driver.StartAsync(quick.Id, _limit.Token);
        var events = _host.Driver.WatchAsync(_limit.Token);
        var forget = _host.Journal.Hold("forget slow");
        _host.Engine.End(slow.Id, crashed: false, "halted");
        _host.Engine.End(quick.Id, crashed: false, "halted");
        Assert.Equal(quick.Id, (await NextAsync(events, ContainerEventKind.Stopped)).Id);
        forget.SetResult();
    }

    [Fact]
    public async Task AfterALostConnectionWhatHappenedMeanwhileIsFoundOut()
    {
        var spec = await _host.CreateRunningAsync();
        var events = _host.Driver.WatchAsync(_limit.Token);
        _host.Engine.Containers.Clear();
        _host.Engine.BreakEvents();
        var happened = await NextAsync(events, ContainerEventKind.Stopped);
        Assert.Equal(spec.Id, happened.Id);
        Assert.Empty(_host.Plug.Plugged);
    }

    [Fact]
    public async Task EveryWatcherSeesEveryEventUntilTheDriverEnds()
    {
        var (first, second) = (_host.Driver.WatchAsync(_limit.Token), _host.Driver.WatchAsync(_limit.Token));
        _host.Engine.Emit(Guid.NewGuid(), ContainerEventKind.Rebooted);
        await NextAsync(first, ContainerEventKind.Rebooted);
        await _host.Driver.DisposeAsync();
        Assert.Single(await ToListAsync(second));
    }

    private static async Task<ContainerEvent> NextAsync(IAsyncEnumerable<ContainerEvent> events, ContainerEventKind kind)
    {
        await foreach (var happened in events)
        {
            if (happened.Kind == kind)
            {
                return happened;
            }
        }

        throw new InvalidOperationException($"The events ended before {kind}.");
    }

    private static async Task<List<ContainerEvent>> ToListAsync(IAsyncEnumerable<ContainerEvent> events)
    {
        var list = new List<ContainerEvent>();
        await foreach (var happened in events)
        {
            list.Add(happened);
        }

        return list;
    }
}
