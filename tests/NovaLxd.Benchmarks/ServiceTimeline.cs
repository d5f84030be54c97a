using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace NovaLxd.Benchmarks;

/// <summary>One build, in milliseconds.</summary>
/// <param name="Waited">In which at least one neighbour was waited for.</param>
/// <param name="Waits">For each of them; they overlap where several were asked at once.</param>
internal sealed record BuildTimes(double Total, double Waited, IReadOnlyDictionary<string, double> Waits);

/// <summary>
/// What the service in this process does, from the duration histograms of its meters: a value is recorded at the end of what it measures, and so tells when that
/// began too.
/// </summary>
internal sealed class ServiceTimeline : IDisposable
{
    private const string Served = "rpc.server.duration";
    private const string Called = "rpc.client.duration";
    private const string Asked = "novalxd.openstack.duration";
    private const string Plugging = "novalxd.vif_plugging.duration";
    private const string Build = "build_and_run_instance";
    private readonly MeterListener _listener = new();
    private readonly ConcurrentQueue<Span> _spans = [];
    private long _activeSaving;

    public ServiceTimeline()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name is Served or Called or Asked or Plugging)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<double>((instrument, seconds, tags, _) => Record(instrument.Name, seconds, tags));
        _listener.Start();
    }

    private readonly record struct Span(string Instrument, string What, long Begin, long End);

    public bool IsBuildOver => _spans.Any(IsBuild);

    /// <summary>The conductor has received a save; tells the one that makes an instance ACTIVE from the others.</summary>
    public void Saving(string name, string? vmState)
    {
        if (name == "Instance.save" && vmState == "active" && _activeSaving == 0)
        {
            _activeSaving = Stopwatch.GetTimestamp();
        }
    }

    public void Clear()
    {
        _spans.Clear();
        _activeSaving = 0;
    }

    /// <summary>The one build since <see cref="Clear"/>.</summary>
    public BuildTimes TakeBuild()
    {
        var begin = _spans.Single(IsBuild).Begin;
        var end = _spans.First(s => s.Instrument == Called && s.Begin <= _activeSaving && _activeSaving <= s.End).End;
        var waits = _spans.Where(s => s.Instrument != Served && s.Begin < end && s.End > begin)
            .Select(s => s with { Begin = Math.Max(s.Begin, begin), End = Math.Min(s.End, end) }).ToArray();
        return new BuildTimes(
            Milliseconds(end - begin), Union(waits), waits.GroupBy(s => s.What).ToDictionary(g => g.Key, Union));
    }

    public void Dispose() => _listener.Dispose();

    private static bool IsBuild(Span span) => span is { Instrument: Served, What: Build };

    private void Record(string instrument, double seconds, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var end = Stopwatch.GetTimestamp();
        var what = instrument switch
        {
            Called => "conductor",
            Plugging => "network-vif-plugged",
            _ => Tag(tags, instrument == Asked ? "service" : "method"),
        };
        _spans.Enqueue(new Span(instrument, what, end - (long)(seconds * Stopwatch.Frequency), end));
    }

    private static string Tag(ReadOnlySpan<KeyValuePair<string, object?>> tags, string key)
    {
        foreach (var tag in tags)
        {
            if (tag.Key == key)
            {
                return (string)tag.Value!;
            }
        }

        throw new InvalidOperationException($"A measurement has no tag '{key}': the service's instruments are not what this expects.");
    }

    /// <summary>Milliseconds in which at least one was open.</summary>
    private static double Union(IEnumerable<Span> spans)
    {
        var (sum, until) = (0L, long.MinValue);
        foreach (var span in spans.OrderBy(s => s.Begin))
        {
            sum += Math.Max(0, span.End - Math.Max(span.Begin, until));
            until = Math.Max(until, span.End);
        }

        return Milliseconds(sum);
    }

    private static double Milliseconds(long ticks) => ticks * 1000.0 / Stopwatch.Frequency;
}
