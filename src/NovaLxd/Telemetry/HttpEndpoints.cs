using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using NovaLxd.Configuration;
using OpenTelemetry.Metrics;

namespace NovaLxd.Telemetry;

/// <summary>
/// /health and /metrics: always on the unix socket <c>runtime_directory/novalxd.sock</c> (root only), and by TCP where the operator asks (<c>[lxd] http_listen</c>).
/// </summary>
internal static class HttpEndpoints
{
    /// <summary>Meters of all projects begin so.</summary>
    private const string Meters = "NovaLxd*";

    public static void Listen(WebApplicationBuilder builder, LxdOptions options)
    {
        Directory.CreateDirectory(options.RuntimeDirectory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var socket = Path.Combine(options.RuntimeDirectory, "novalxd.sock");
        File.Delete(socket);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.ListenUnixSocket(socket);
            if (options.HttpListen.Length > 0)
            {
                kestrel.Listen(ParseEndPoint(options.HttpListen));
            }
        });
        builder.Services.AddHealthChecks();
        if (options.Metrics)
        {
            builder.Services.AddOpenTelemetry().WithMetrics(metrics => metrics.AddMeter(Meters).AddRuntimeInstrumentation().AddPrometheusExporter());
        }
    }

    public static void Map(WebApplication application, LxdOptions options)
    {
        application.MapHealthChecks("/health", new HealthCheckOptions { ResponseWriter = WriteAsync });
        if (options.Metrics)
        {
            // Nothing depends on it, so nothing else would have it made.
            _ = application.Services.GetRequiredService<ServiceMetrics>();
            application.MapPrometheusScrapingEndpoint("/metrics");
        }
    }

    private static IPEndPoint ParseEndPoint(string text) =>
        IPEndPoint.TryParse(text, out var endPoint) && endPoint.Port > 0
            ? endPoint
            : throw new ConfigurationException($"[lxd] http_listen = {text}: expected an address and a port, such as 127.0.0.1:9105 or [::]:9105");

    private static Task WriteAsync(HttpContext context, HealthReport report)
    {
        context.Response.ContentType = "application/json";
        return JsonSerializer.SerializeAsync(
            context.Response.Body,
            new
            {
                status = report.Status.ToString(),
                checks = report.Entries.ToDictionary(
                    e => e.Key, e => new { status = e.Value.Status.ToString(), description = e.Value.Description ?? e.Value.Exception?.Message }),
            },
            cancellationToken: context.RequestAborted);
    }
}
