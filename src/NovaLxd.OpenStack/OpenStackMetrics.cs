using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace NovaLxd.OpenStack;

/// <summary>Meter "NovaLxd.OpenStack": attempts, failed attempts and their duration, by service, method and outcome (2xx ... 5xx, unreachable).</summary>
public sealed class OpenStackMetrics : IDisposable
{
    public const string MeterName = "NovaLxd.OpenStack";

    private readonly Meter meter;
    private readonly Counter<long> requests;
    private readonly Counter<long> failures;
    private readonly Histogram<double> duration;

    public OpenStackMetrics(IMeterFactory factory)
    {
        meter = factory.Create(MeterName);
        requests = meter.CreateCounter<long>("novalxd.openstack.requests", "{request}", "REST requests sent to other OpenStack services, repetitions included.");
        failures = meter.CreateCounter<long>("novalxd.openstack.failures", "{request}", "Requests that got no answer or one of 500 and above.");
        duration = meter.CreateHistogram<double>("novalxd.openstack.duration", "s", "Time from sending a request to its whole answer.");
    }

    internal void Record(string service, string method, string outcome, TimeSpan elapsed)
    {
        var tags = new TagList { { "service", service }, { "method", method }, { "outcome", outcome } };
        requests.Add(1, tags);
        duration.Record(elapsed.TotalSeconds, tags);
        if (outcome is "5xx" or "unreachable")
            failures.Add(1, tags);
    }

    public void Dispose() => meter.Dispose();
}
