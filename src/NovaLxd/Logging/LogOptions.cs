using NovaLxd.Configuration;

namespace NovaLxd.Logging;

/// <summary>[DEFAULT]: logging, by oslo.log's names.</summary>
internal sealed record LogOptions
{
    /// <summary>Whether debug messages are logged. Re-read on SIGHUP.</summary>
    public bool Debug { get; init; }

    /// <summary>File to log to; relative to log_dir. Default: standard error.</summary>
    public string? LogFile { get; init; }

    /// <summary>Folder of log_file.</summary>
    public string? LogDir { get; init; }

    /// <summary>Whether log lines are JSON objects.</summary>
    [Option("use_json")]
    public bool UseJson { get; init; }

    /// <summary>Levels of single loggers, "name=LEVEL,name=LEVEL". Re-read on SIGHUP.</summary>
    public IReadOnlyList<string> DefaultLogLevels { get; init; } =
        ["Microsoft=WARNING", "System.Net.Http=WARNING", "Polly=WARNING", "RabbitMQ=WARNING"];

    /// <summary>Where the log goes, resolved; null: standard error.</summary>
    public string? FilePath => LogFile is null ? null : Path.Combine(LogDir ?? "", LogFile);
}
