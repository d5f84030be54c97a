using NovaLxd.Supervisor;

namespace NovaLxd.Virt.Tests.Engine;

public sealed class EventLoopTests
{
    [Fact]
    public void Quiet_is_told_once_after_something_happened_and_not_while_a_timer_is_near()
    {
        var told = new List<string>();
        var clock = new HeldClock();
        using var loop = new EventLoop(clock, e => told.Add(e.Message), () =>
        {
            // Two seconds are left until "far", in which it could be told a second time.
            told.Add("quiet");
            clock.GoOnFrom(TimeSpan.FromSeconds(2));
        });
        loop.After(TimeSpan.FromMilliseconds(100), () =>
        {
            told.Add("near");
            clock.HoldAt(TimeSpan.FromMilliseconds(200));
        });
        loop.After(TimeSpan.FromSeconds(4), () =>
        {
            told.Add("far");
            loop.After(TimeSpan.FromMilliseconds(50), loop.Stop);
        });

        loop.Run();

        Assert.Equal(["near", "quiet", "far"], told);
    }

    /// <summary>The system's clock, which stands still while the loop waits for quiet: however late a busy machine comes back to it, the far timer is not due before.</summary>
    private sealed class HeldClock : TimeProvider
    {
        private readonly long _start = System.GetTimestamp();
        private long? _held;
        private long _ahead;

        public override long GetTimestamp() => _held ?? (System.GetTimestamp() + _ahead);

        public void HoldAt(TimeSpan sinceStart) => _held = After(sinceStart);

        public void GoOnFrom(TimeSpan sinceStart) => (_held, _ahead) = (null, After(sinceStart) - System.GetTimestamp());

        private long After(TimeSpan sinceStart) => _start + (long)(sinceStart.TotalSeconds * TimestampFrequency);
    }
}
