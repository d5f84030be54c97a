using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace NovaLxd.Messaging.Tests.Broker;

/// <summary>Keeps what was logged.</summary>
internal sealed class ListLogger : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<(LogLevel Level, string Text)> _entries = new();

    public IReadOnlyList<string> Lines => [.. _entries.Select(entry => $"{entry.Level}: {entry.Text}")];

    public IReadOnlyList<string> Errors => [.. _entries.Where(entry => entry.Level >= LogLevel.Error).Select(entry => entry.Text)];

    public bool Contains(string part) => _entries.Any(entry => entry.Text.Contains(part, StringComparison.Ordinal));

    public ILogger CreateLogger(string categoryName) => new Named(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _entries.Enqueue((logLevel, $"{formatter(state, exception)} {exception?.Message}".Trim()));

    public void Dispose() { }

    private sealed class Named(ListLogger owner, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            owner.Log(logLevel, eventId, $"{category}: {formatter(state, exception)}", exception, (text, _) => text);
    }
}
