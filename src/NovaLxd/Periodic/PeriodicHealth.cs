using System.Collections.Concurrent;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace NovaLxd.Periodic;

/// <summary>How the periodic tasks are doing, for the health endpoint.</summary>
internal sealed class PeriodicHealth : IHealthCheck
{
    private readonly ConcurrentDictionary<string, string> _failing = new();

    public void Succeeded(string task) => _failing.TryRemove(task, out _);

    public void Failed(string task, string why) => _failing[task] = why;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(_failing.IsEmpty
            ? HealthCheckResult.Healthy()
            : HealthCheckResult.Degraded(string.Join("; ", _failing.OrderBy(f => f.Key).Select(f => $"{f.Key}: {f.Value}"))));
}
