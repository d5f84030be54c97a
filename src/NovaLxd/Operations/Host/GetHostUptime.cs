using System.Globalization;
using NovaLxd.Messaging;

namespace NovaLxd.Operations.Host;

/// <summary>The line the hypervisors API shows as uptime, in the form of uptime(1), from proc_uptime(5) and proc_loadavg(5).</summary>
internal sealed class GetHostUptime(TimeProvider time) : IOperation<GetHostUptime.Request, string>
{
    internal sealed record Request;

    public async Task<string> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var uptime = await File.ReadAllTextAsync("/proc/uptime", cancellationToken);
        var load = await File.ReadAllTextAsync("/proc/loadavg", cancellationToken);
        return Format(time.GetUtcNow(), uptime, load);
    }

    /// <param name="now">Shown as UTC.</param>
    /// <param name="uptime">"12345.67 9876.54": seconds since boot, and idle.</param>
    /// <param name="load">"0.10 0.20 0.30 1/234 5678".</param>
    internal static string Format(DateTimeOffset now, string uptime, string load)
    {
        var up = TimeSpan.FromSeconds(double.Parse(uptime.Split(' ')[0], CultureInfo.InvariantCulture));
        var days = up.Days switch { 0 => "", 1 => "1 day, ", var n => string.Create(CultureInfo.InvariantCulture, $"{n} days, ") };
        var hours = up.Hours > 0
            ? string.Create(CultureInfo.InvariantCulture, $"{up.Hours}:{up.Minutes:00}")
            : string.Create(CultureInfo.InvariantCulture, $"{up.Minutes} min");
        return string.Create(CultureInfo.InvariantCulture,
            $"{now.UtcDateTime:HH:mm:ss} up {days}{hours}, load average: {string.Join(", ", load.Split(' ').Take(3))}");
    }
}
