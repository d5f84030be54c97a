using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Resources;

namespace NovaLxd.Startup;

/// <summary>This service's row: what <c>openstack compute service list</c> shows. Every save with a higher report_count says that it is alive.</summary>
internal sealed class ServiceRecord(ConductorClient conductor, ServiceOptions options, ControlPlane controlPlane, ILogger<ServiceRecord> logger)
{
    public const string Binary = "nova-compute";

    private Service? _service;

    /// <summary>The row as it is; null: this service is new.</summary>
    public async Task<Service?> FindAsync(RequestContext context, CancellationToken cancellationToken) =>
        _service = await conductor.FindServiceAsync(context, options.Host, Binary, cancellationToken);

    /// <summary>Makes the row, or tells it the version we speak now.</summary>
    public async Task RegisterAsync(RequestContext context, CancellationToken cancellationToken)
    {
        // A create whose answer was lost has made the row.
        _service ??= await FindAsync(context, cancellationToken);
        if (_service is null)
        {
            var service = NovaObject.Create<Service>();
            service.Host = options.Host;
            service.Binary = Binary;
            service.Topic = "compute";
            service.ReportCount = 0;
            service.Version = controlPlane.ServiceVersion;
            await conductor.CreateAsync(context, service, cancellationToken);
            _service = service;
            logger.LogInformation("Service record created for host {Host} (service version {Version})", options.Host, service.Version);
        }
        else if (_service.Version != controlPlane.ServiceVersion)
        {
            _service.Version = controlPlane.ServiceVersion;
            await conductor.SaveAsync(context, _service, cancellationToken);
        }
    }

    /// <summary>Says that the service is alive.</summary>
    public async Task ReportAsync(RequestContext context, CancellationToken cancellationToken)
    {
        var service = _service ?? throw new InvalidOperationException("The service has not been registered.");
        service.ReportCount++;
        try
        {
            await conductor.SaveAsync(context, service, cancellationToken);
        }
        catch (Exception e) when (e is ServiceNotFoundException or ServiceTooOldException or TimeoutException)
        {
            // The next report tells the same: nothing is lost but the time between.
            service.ResetChanges();
            throw;
        }
    }
}
