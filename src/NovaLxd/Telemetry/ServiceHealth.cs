using Microsoft.Extensions.Diagnostics.HealthChecks;
using NovaLxd.Messaging;
using NovaLxd.Startup;

namespace NovaLxd.Telemetry;

/// <summary>Whether the service takes messages: started, and connected to the broker.</summary>
internal sealed class ServiceHealth(StartupState state, RabbitTransport transport) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var broker = transport.Listening;
        return Task.FromResult((state.IsServing, broker.IsConnected) switch
        {
            (false, _) => HealthCheckResult.Unhealthy($"not serving yet: {state.Phase}"),
            (true, false) => HealthCheckResult.Unhealthy($"not connected to the broker {broker.Host}: {broker.LastError}"),
            _ => HealthCheckResult.Healthy(),
        });
    }
}
