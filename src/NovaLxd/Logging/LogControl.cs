using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace NovaLxd.Logging;

/// <summary>Log levels that can change while the service runs, and the provider that writes.</summary>
internal sealed class LogControl(LogOptions options) : IOptionsChangeTokenSource<LoggerFilterOptions>, IDisposable
{
    private readonly NovaLoggerProvider _provider = new(options, TimeProvider.System);
    private CancellationTokenSource _change = new();
    private LogOptions _options = options;

    public string? Name => Options.DefaultName;

    public void AddTo(ILoggingBuilder logging)
    {
        logging.ClearProviders();
        logging.Services.AddSingleton<ILoggerProvider>(_provider);
        logging.Services.AddSingleton<IOptionsChangeTokenSource<LoggerFilterOptions>>(this);
        logging.Services.AddSingleton<IConfigureOptions<LoggerFilterOptions>>(new ConfigureOptions<LoggerFilterOptions>(Configure));
    }

    public Microsoft.Extensions.Primitives.IChangeToken GetChangeToken() => new Microsoft.Extensions.Primitives.CancellationChangeToken(_change.Token);

    /// <summary>Takes over new levels at once and opens the log file anew.</summary>
    public void Apply(LogOptions changed)
    {
        _options = changed;
        _provider.Reopen();
        using var old = Interlocked.Exchange(ref _change, new CancellationTokenSource());
        old.Cancel();
    }

    public void Dispose()
    {
        _provider.Dispose();
        _change.Dispose();
    }

    private void Configure(LoggerFilterOptions filter)
    {
        filter.MinLevel = _options.Debug ? LogLevel.Debug : LogLevel.Information;
        foreach (var rule in _options.DefaultLogLevels)
        {
            var equals = rule.LastIndexOf('=');
            if (equals > 0 && Level(rule[(equals + 1)..].Trim()) is { } level)
            {
                filter.Rules.Add(new LoggerFilterRule(null, rule[..equals].Trim(), level, null));
            }
        }
    }

    private static LogLevel? Level(string name) => name.ToUpperInvariant() switch
    {
        "DEBUG" => LogLevel.Debug,
        "INFO" => LogLevel.Information,
        "WARN" or "WARNING" => LogLevel.Warning,
        "ERROR" => LogLevel.Error,
        "CRITICAL" => LogLevel.Critical,
        _ => null,
    };
}
