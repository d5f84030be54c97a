using System.Globalization;
using System.Text.RegularExpressions;

namespace NovaLxd.Notifications;

/// <summary>The audit period under way: from where the last one ended until now (nova/utils.py:last_completed_audit_period).</summary>
internal sealed partial record AuditPeriod(DateTimeOffset From, DateTimeOffset To)
{
    public string Beginning => Text(From);

    public string Ending => Text(To);

    /// <param name="unit">hour, day, month or year, with an offset after an @: "month@3" begins with the third of the month, "day@6" at six o'clock.</param>
    /// <exception cref="FormatException">It is none of them.</exception>
    public static AuditPeriod Current(string unit, DateTimeOffset now)
    {
        now = now.ToUniversalTime();
        if (Form().Match(unit) is not { Success: true } match)
        {
            throw new FormatException($"\"{unit}\" is no audit period: expected hour, day, month or year, and perhaps an offset such as month@3.");
        }

        var offset = match.Groups[2].Success ? int.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture) : 0;
        DateTimeOffset At(int year, int month, int day, int hour = 0, int minute = 0) => new(year, month, day, hour, minute, 0, TimeSpan.Zero);
        var (begin, before) = match.Groups[1].Value switch
        {
            "hour" => (At(now.Year, now.Month, now.Day, now.Hour, Math.Min(offset, 59)), (Func<DateTimeOffset, DateTimeOffset>)(t => t.AddHours(-1))),
            "day" => (At(now.Year, now.Month, now.Day, Math.Min(offset, 23)), t => t.AddDays(-1)),
            "month" => (At(now.Year, now.Month, Math.Clamp(offset, 1, 28)), t => t.AddMonths(-1)),
            _ => (At(now.Year, Math.Clamp(offset, 1, 12), 1), t => t.AddYears(-1)),
        };
        return new AuditPeriod(begin >= now ? before(begin) : begin, now);
    }

    /// <summary>As Python prints a time: with microseconds only where there are some.</summary>
    private static string Text(DateTimeOffset time) =>
        time.ToString(time.Ticks % TimeSpan.TicksPerSecond == 0 ? "yyyy-MM-dd HH:mm:ss" : "yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture);

    [GeneratedRegex("^(hour|day|month|year)(?:@([0-9]{1,2}))?$")]
    private static partial Regex Form();
}
