using NovaLxd.Supervisor;

namespace NovaLxd.Virt.Tests.Engine;

public sealed class EventLoopTests
{
    [Fact]
    public void Quiet_is_told_once_after_something_happened_and_not_while_a_timer_is_near()
    {
        var told = new List<string>();
        using var loop = new EventLoop(TimeProvider.System, e => told.Add(e.Message), () => told.Add("quiet"));
        loop.After(TimeSpan.FromMilliseconds(100), () => told.Add("near"));
        loop.After(TimeSpan.FromSeconds(4), () =>
        {
            told.Add("far");
            loop.After(TimeSpan.FromMilliseconds(50), loop.Stop);
        });

        loop.Run();

        Assert.Equal(["near", "quiet", "far"], told);
    }
}
