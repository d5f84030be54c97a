using System.Text.RegularExpressions;

namespace NovaLxd.TestCloud.Http;

/// <summary>
/// Misbehaviour of a fake service, applied to requests that match; the first fault that matches and is not used up counts.
/// </summary>
/// <param name="Method">HTTP method, null: any.</param>
/// <param name="Path">Regular expression on path and query, null: any.</param>
public sealed record Fault(string? Method = null, string? Path = null)
{
    /// <summary>How many requests it hits; then it is used up.</summary>
    public int Times { get; init; } = int.MaxValue;

    /// <summary>How many matching requests pass before the first hit.</summary>
    public int Skip { get; init; }

    /// <summary>The status to answer with, 0: the service's own answer.</summary>
    public int Status { get; init; }

    /// <summary>JSON or text to answer with; null: what the real service would send with the status.</summary>
    public string? Body { get; init; }

    public int? RetryAfterSeconds { get; init; }

    /// <summary>Wait before anything else.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Cut the connection instead of answering.</summary>
    public bool Abort { get; init; }

    /// <summary>Send so many bytes of the answer's body, then cut the connection.</summary>
    public int? AbortAfterBytes { get; init; }

    /// <summary>Do what was asked, and only then misbehave: the answer is lost, not the work.</summary>
    public bool AfterEffect { get; init; }

    public static Fault Answer(int status, string? method = null, string? path = null, int times = int.MaxValue) =>
        new(method, path) { Status = status, Times = times };

    internal bool Matches(string method, string pathAndQuery) =>
        (Method is null || Method == method) && (Path is null || Regex.IsMatch(pathAndQuery, Path));
}

/// <summary>The faults of one service. Thread-safe.</summary>
public sealed class FaultPlan
{
    private readonly Lock gate = new();
    private readonly List<Entry> entries = [];

    public void Add(Fault fault)
    {
        lock (gate)
            entries.Add(new Entry(fault));
    }

    public void Clear()
    {
        lock (gate)
            entries.Clear();
    }

    internal Fault? Next(string method, string pathAndQuery)
    {
        lock (gate)
        {
            foreach (var entry in entries)
            {
                if (!entry.Fault.Matches(method, pathAndQuery) || entry.Hits >= entry.Fault.Times)
                    continue;
                if (entry.Passed < entry.Fault.Skip)
                {
                    entry.Passed++;
                    continue;
                }

                entry.Hits++;
                return entry.Fault;
            }

            return null;
        }
    }

    private sealed class Entry(Fault fault)
    {
        public Fault Fault { get; } = fault;
        public int Hits { get; set; }
        public int Passed { get; set; }
    }
}
