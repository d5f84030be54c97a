using NovaLxd.Operations.Host;

namespace NovaLxd.Tests.Operations.Host;

public sealed class GetHostUptimeTests
{
    [Theory]
    [InlineData("300.10 1.0", "03:04:05 up 5 min, load average: 0.10, 0.20, 0.30")]
    [InlineData("7500.10 1.0", "03:04:05 up 2:05, load average: 0.10, 0.20, 0.30")]
    [InlineData("90061.00 1.0", "03:04:05 up 1 day, 1:01, load average: 0.10, 0.20, 0.30")]
    [InlineData("172860.00 1.0", "03:04:05 up 2 days, 1 min, load average: 0.10, 0.20, 0.30")]
    public void ReadsLikeUptime(string uptime, string line) => Assert.Equal(
        line, GetHostUptime.Format(new DateTimeOffset(2026, 1, 1, 3, 4, 5, TimeSpan.Zero), uptime, "0.10 0.20 0.30 1/234 5678\n"));
}
