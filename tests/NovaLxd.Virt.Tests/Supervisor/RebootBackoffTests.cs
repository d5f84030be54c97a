using NovaLxd.Supervisor;

namespace NovaLxd.Virt.Tests.Supervisor;

public sealed class RebootBackoffTests
{
    [Fact]
    public void QuickRebootsWaitLongerAndLongerAndEnd()
    {
        var backoff = new RebootBackoff(TimeProvider.System);
        var delays = new List<double?>();
        for (var i = 0; i <= RebootBackoff.Limit; i++)
        {
            backoff.Started();
            delays.Add(backoff.Next()?.TotalSeconds);
        }

        Assert.Equal([0, 0, 0.25, 0.5, 1, 2, 4, 8, 16, 30, null], delays);
    }

    [Fact]
    public void AGuestThatRanAWhileStartsAnew()
    {
        var time = new SteppedTime();
        var backoff = new RebootBackoff(time);
        for (var i = 0; i < 100; i++)
        {
            backoff.Started();
            time.Seconds += RebootBackoff.Settled.TotalSeconds + 1;
            Assert.Equal(TimeSpan.Zero, backoff.Next());
        }
    }

    private sealed class SteppedTime : TimeProvider
    {
        public double Seconds { get; set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => (long)(Seconds * 1000);
    }
}
