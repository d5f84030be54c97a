using Microsoft.Extensions.Logging;
using NovaLxd.Logging;

namespace NovaLxd.Tests.Logging;

public class LogLineTests
{
    private static readonly DateTimeOffset At = new(new DateTime(2026, 11, 24, 5, 6, 7, 89, DateTimeKind.Local));

    [Fact]
    public void LooksLikeNovas()
    {
        var uuid = Guid.Parse("6f70a0a5-0000-4000-8000-000000000001");
        var line = LogLine.Format(At, LogLevel.Information, "NovaLxd.Operations", new LogSubject("req-1", "u", "p", uuid), "Took 1 s to build.", null);
        Assert.Equal(
            $"2026-11-24 05:06:07.089 {Environment.ProcessId} INFO NovaLxd.Operations [req-1 u p - - -] [instance: {uuid}] Took 1 s to build.", line);
    }

    [Fact]
    public void WithoutARequestThereIsADash() =>
        Assert.EndsWith(" WARNING x [-] m", LogLine.Format(At, LogLevel.Warning, "x", new LogSubject(), "m", null), StringComparison.Ordinal);

    [Fact]
    public void TheFileHasTheScopesAndCanBeRotated()
    {
        var folder = Directory.CreateTempSubdirectory();
        var path = Path.Combine(folder.FullName, "novalxd.log");
        using (var provider = new NovaLoggerProvider(new LogOptions { LogFile = path }, TimeProvider.System))
        {
            using var factory = LoggerFactory.Create(b => b.AddProvider(provider));
            var logger = factory.CreateLogger("test");
            using (logger.BeginScope(new LogSubject("req-7", "user", "project")))
            using (logger.BeginScope(new LogSubject(InstanceUuid: Guid.Empty)))
            {
                logger.LogError(new InvalidOperationException("why"), "It failed");
            }
        }

        var text = File.ReadAllText(path);
        folder.Delete(recursive: true);
        Assert.Contains("ERROR test [req-7 user project - - -] [instance: 00000000-0000-0000-0000-000000000000] It failed", text, StringComparison.Ordinal);
        Assert.Contains("System.InvalidOperationException: why", text, StringComparison.Ordinal);
    }
}
