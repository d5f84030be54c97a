using System.Diagnostics.Metrics;

namespace NovaLxd.Messaging;

/// <summary>Instruments of the meter <c>NovaLxd.Messaging</c>. Durations are seconds.</summary>
internal sealed class MessagingMetrics : IDisposable
{
    public const string MeterName = "NovaLxd.Messaging";
    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _served;
    private readonly Histogram<double> _serveDuration;
    private readonly UpDownCounter<long> _inProgress;
    private readonly Counter<long> _sent;
    private readonly Histogram<double> _callDuration;
    private readonly Counter<long> _connects;
    private readonly Counter<long> _losses;
    private readonly Counter<long> _notifications;

    public MessagingMetrics()
    {
        _served = _meter.CreateCounter<long>("rpc.server.requests", description: "Requests answered, by method, kind and outcome");
        _serveDuration = _meter.CreateHistogram<double>("rpc.server.duration", "s", "Time a handler took");
        _inProgress = _meter.CreateUpDownCounter<long>("rpc.server.in_progress", description: "Handlers running now");
        _sent = _meter.CreateCounter<long>("rpc.client.requests", description: "Requests sent, by method, kind and outcome");
        _callDuration = _meter.CreateHistogram<double>("rpc.client.duration", "s", "Time from sending a call to its reply");
        _connects = _meter.CreateCounter<long>("amqp.connects", description: "Connections opened");
        _losses = _meter.CreateCounter<long>("amqp.connection_losses", description: "Connections lost");
        _notifications = _meter.CreateCounter<long>("notifications", description: "Notifications by event type and outcome");
    }

    public void Started(string method) => _inProgress.Add(1, new KeyValuePair<string, object?>("method", method));

    public void Served(string method, bool isCall, string outcome, TimeSpan duration)
    {
        KeyValuePair<string, object?> tag = new("method", method);
        _inProgress.Add(-1, tag);
        _served.Add(1, tag, new("kind", isCall ? "call" : "cast"), new("outcome", outcome));
        _serveDuration.Record(duration.TotalSeconds, tag);
    }

    public void Sent(string method, string kind, string outcome) =>
        _sent.Add(1, new("method", method), new("kind", kind), new("outcome", outcome));

    public void Called(string method, string outcome, TimeSpan duration)
    {
        Sent(method, "call", outcome);
        _callDuration.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("method", method));
    }

    public void Connected(string purpose) => _connects.Add(1, new KeyValuePair<string, object?>("purpose", purpose));

    public void Lost(string purpose) => _losses.Add(1, new KeyValuePair<string, object?>("purpose", purpose));

    public void Notified(string eventType, string outcome) => _notifications.Add(1, new("event_type", eventType), new("outcome", outcome));

    public void Dispose() => _meter.Dispose();
}
