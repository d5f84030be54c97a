using System.Globalization;
using NovaLxd.Notifications;

namespace NovaLxd.Tests.Notifications;

public sealed class AuditPeriodTests
{
    [Theory]
    [InlineData("month", "2026-11-24T03:05:06Z", "2026-11-01 00:00:00")]
    [InlineData("month@25", "2026-11-24T03:05:06Z", "2026-10-25 00:00:00")]
    [InlineData("month@25", "2026-01-24T03:05:06Z", "2025-12-25 00:00:00")]
    [InlineData("month", "2026-11-01T00:00:00Z", "2026-10-01 00:00:00")]
    [InlineData("day", "2026-11-24T03:05:06Z", "2026-11-24 00:00:00")]
    [InlineData("day@6", "2026-11-24T03:05:06Z", "2026-11-23 06:00:00")]
    [InlineData("hour", "2026-11-24T03:05:06Z", "2026-11-24 03:00:00")]
    [InlineData("hour@30", "2026-11-24T03:05:06Z", "2026-11-24 02:30:00")]
    [InlineData("year", "2026-11-24T03:05:06Z", "2026-01-01 00:00:00")]
    [InlineData("year@12", "2026-11-24T03:05:06Z", "2025-12-01 00:00:00")]
    public void ThePeriodUnderWayBeganWhereTheLastOneEnded(string unit, string now, string beginning)
    {
        var period = AuditPeriod.Current(unit, DateTimeOffset.Parse(now, CultureInfo.InvariantCulture));

        Assert.Equal(beginning, period.Beginning);
        Assert.Equal(now.Replace("T", " ", StringComparison.Ordinal).TrimEnd('Z'), period.Ending);
    }

    [Theory]
    [InlineData("week")]
    [InlineData("month@")]
    [InlineData("day@x")]
    public void WhatIsNoPeriodIsNamed(string unit) =>
        Assert.Contains(unit, Assert.Throws<FormatException>(() => AuditPeriod.Current(unit, DateTimeOffset.UnixEpoch)).Message, StringComparison.Ordinal);
}
