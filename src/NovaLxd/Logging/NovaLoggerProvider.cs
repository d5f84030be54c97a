using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace NovaLxd.Logging;

/// <summary>
/// Writes log lines to the file or to standard error from one task, so that no caller waits for the disk. When lines come faster than they can be
/// written the oldest are dropped and their number is logged. <see cref="Reopen"/> lets logrotate move the file away.
/// </summary>
[ProviderAlias("Nova")]
internal sealed class NovaLoggerProvider : ILoggerProvider, ISupportExternalScope
{
    private const int QueuedLines = 16384;

    private readonly ConcurrentDictionary<string, NovaLogger> _loggers = new();
    private readonly Channel<string> _lines;
    private readonly Task _writer;
    private readonly string? _path;
    private readonly bool _json;
    private readonly TimeProvider _time;
    private IExternalScopeProvider _scopes = new LoggerExternalScopeProvider();
    private long _dropped;
    private volatile bool _reopen;

    public NovaLoggerProvider(LogOptions options, TimeProvider time)
    {
        _path = options.FilePath;
        _json = options.UseJson;
        _time = time;
        _lines = Channel.CreateBounded<string>(
            new BoundedChannelOptions(QueuedLines) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true },
            _ => Interlocked.Increment(ref _dropped));
        var first = Open();
        _writer = WriteAsync(first);
    }

    public ILogger CreateLogger(string categoryName) => _loggers.GetOrAdd(categoryName, static (name, self) => new NovaLogger(name, self), this);

    public void SetScopeProvider(IExternalScopeProvider scopeProvider) => _scopes = scopeProvider;

    public void Reopen() => _reopen = true;

    public void Dispose()
    {
        _lines.Writer.TryComplete();
        _writer.ContinueWith(static _ => { }, TaskScheduler.Default).GetAwaiter().GetResult();
    }

    private TextWriter Open() =>
        _path is null
            ? TextWriter.Synchronized(new StreamWriter(Console.OpenStandardError()) { AutoFlush = false })
            : new StreamWriter(new FileStream(_path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete));

    private async Task WriteAsync(TextWriter output)
    {
        while (await _lines.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            if (_reopen && _path is not null)
            {
                _reopen = false;
                await output.DisposeAsync().ConfigureAwait(false);
                output = Open();
            }

            while (_lines.Reader.TryRead(out var line))
            {
                await output.WriteLineAsync(line).ConfigureAwait(false);
            }

            if (Interlocked.Exchange(ref _dropped, 0) is var dropped and > 0)
            {
                await output.WriteLineAsync(Render(LogLevel.Warning, "novalxd.log", new LogSubject(), $"{dropped} log lines were dropped", null)).ConfigureAwait(false);
            }

            await output.FlushAsync().ConfigureAwait(false);
        }

        await output.DisposeAsync().ConfigureAwait(false);
    }

    private string Render(LogLevel level, string category, LogSubject subject, string message, Exception? exception) => _json
        ? LogLine.FormatJson(_time.GetUtcNow(), level, category, subject, message, exception)
        : LogLine.Format(_time.GetUtcNow(), level, category, subject, message, exception);

    private sealed class NovaLogger(string category, NovaLoggerProvider provider) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => provider._scopes.Push(state);

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel))
            {
                return;
            }

            provider._lines.Writer.TryWrite(provider.Render(logLevel, category, Subject(), formatter(state, exception), exception));
        }

        /// <summary>Inner scopes win, value by value: a request's scope inside an instance's keeps the instance.</summary>
        private LogSubject Subject()
        {
            var subject = new LogSubject();
            provider._scopes.ForEachScope(
                (scope, holder) =>
                {
                    if (scope is LogSubject inner)
                    {
                        subject = new LogSubject(
                            inner.RequestId ?? subject.RequestId,
                            inner.UserId ?? subject.UserId,
                            inner.ProjectId ?? subject.ProjectId,
                            inner.InstanceUuid ?? subject.InstanceUuid,
                            inner.GlobalRequestId ?? subject.GlobalRequestId);
                    }
                },
                this);
            return subject;
        }
    }
}
