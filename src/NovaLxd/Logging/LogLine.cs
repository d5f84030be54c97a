using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json;

namespace NovaLxd.Logging;

/// <summary>What log lines are about: put into a logging scope by whoever begins a piece of work for an instance or a request.</summary>
internal sealed record LogSubject(string? RequestId = null, string? UserId = null, string? ProjectId = null, Guid? InstanceUuid = null, string? GlobalRequestId = null);

/// <summary>
/// One log line in Nova's form (oslo.log's default formats): time, process id, level, logger, <c>[request user project - - -]</c>, <c>[instance: uuid]</c>
/// and message; or the same as a JSON object.
/// </summary>
internal static class LogLine
{
    public static string Format(DateTimeOffset at, LogLevel level, string category, LogSubject subject, string message, Exception? exception)
    {
        var text = new StringBuilder(160);
        text.Append(at.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss.fff", CultureInfo.InvariantCulture))
            .Append(' ').Append(Environment.ProcessId)
            .Append(' ').Append(Name(level))
            .Append(' ').Append(category)
            .Append(" [");
        if (subject.RequestId is null)
        {
            text.Append('-');
        }
        else
        {
            if (subject.GlobalRequestId is not null)
            {
                text.Append(subject.GlobalRequestId).Append(' ');
            }

            text.Append(subject.RequestId).Append(' ').Append(subject.UserId ?? "-").Append(' ').Append(subject.ProjectId ?? "-").Append(" - - -");
        }

        text.Append("] ");
        if (subject.InstanceUuid is { } uuid)
        {
            text.Append("[instance: ").Append(uuid).Append("] ");
        }

        text.Append(message);
        if (exception is not null)
        {
            text.AppendLine().Append(exception);
        }

        return text.ToString();
    }

    public static string FormatJson(DateTimeOffset at, LogLevel level, string category, LogSubject subject, string message, Exception? exception) =>
        JsonConvert.SerializeObject(new
        {
            asctime = at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture),
            process = Environment.ProcessId,
            levelname = Name(level),
            name = category,
            request_id = subject.RequestId,
            global_request_id = subject.GlobalRequestId,
            user = subject.UserId,
            project = subject.ProjectId,
            instance_uuid = subject.InstanceUuid,
            message,
            traceback = exception?.ToString(),
        });

    private static string Name(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => "DEBUG",
        LogLevel.Information => "INFO",
        LogLevel.Warning => "WARNING",
        LogLevel.Error => "ERROR",
        _ => "CRITICAL",
    };
}
