using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using NovaLxd.Configuration;
using NovaLxd.Logging;
using NovaLxd.Telemetry;

namespace NovaLxd.Hosting;

/// <summary>
/// The process around the service: configuration, logging, signals. SIGTERM and SIGINT stop it gracefully; SIGHUP reopens the log file and reads again
/// what may change while it runs (debug, default_log_levels). What the service is made of stands in <see cref="ServiceParts"/>.
/// </summary>
internal sealed class ComputeService : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly LogControl _log;
    private readonly Func<OsloConfig> _load;

    private ComputeService(WebApplication application, LogControl log, Func<OsloConfig> load)
    {
        _application = application;
        _log = log;
        _load = load;
    }

    public IServiceProvider Services => _application.Services;

    /// <param name="files">The files that <paramref name="load"/> reads; other things are looked for beside them.</param>
    /// <param name="load">Reads the operator's files; called again on SIGHUP.</param>
    /// <param name="customize">Last word on the parts, for tests.</param>
    /// <exception cref="ConfigurationException">With all faults.</exception>
    public static ComputeService Build(IReadOnlyList<string> files, Func<OsloConfig> load, Action<IServiceCollection>? customize = null)
    {
        var config = load();
        var builder = WebApplication.CreateSlimBuilder(Unwatched());
        builder.Services.AddOptions(config);
        var options = (LogOptions)builder.Services.Single(s => s.ServiceType == typeof(LogOptions)).ImplementationInstance!;
        var service = (ServiceOptions)builder.Services.Single(s => s.ServiceType == typeof(ServiceOptions)).ImplementationInstance!;
        var lxd = (LxdOptions)builder.Services.Single(s => s.ServiceType == typeof(LxdOptions)).ImplementationInstance!;

        var log = new LogControl(options);
        log.AddTo(builder.Logging);
        builder.Services.AddSystemd();
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = service.GracefulShutdownTimeout + TimeSpan.FromSeconds(10));
        HttpEndpoints.Listen(builder, lxd);
        ServiceParts.Add(builder.Services, config, files);
        customize?.Invoke(builder.Services);

        var application = builder.Build();
        HttpEndpoints.Map(application, lxd);
        return new ComputeService(application, log, load);
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var logger = _application.Services.GetRequiredService<ILogger<ComputeService>>();
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            Reload(logger);
        });
        await _application.StartAsync(cancellationToken);
        await _application.WaitForShutdownAsync(cancellationToken);
    }

    public Task StartAsync(CancellationToken cancellationToken) => _application.StartAsync(cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => _application.StopAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _application.DisposeAsync();
        _log.Dispose();
    }

    /// <summary>
    /// The framework would look for its own configuration files below the working directory, and watch every folder there for a change of them: under
    /// systemd that is the whole file system with the containers' root disks, which it opens while they are unmounted.
    /// </summary>
    internal static WebApplicationOptions Unwatched() => new()
    {
        ContentRootPath = AppContext.BaseDirectory,
        Args = ["--hostBuilder:reloadConfigOnChange=false"],
    };

    private void Reload(ILogger logger)
    {
        try
        {
            var binder = new OptionBinder(_load());
            var options = binder.Bind<LogOptions>("DEFAULT");
            binder.ThrowOnFaults();
            _log.Apply(options);
            logger.LogInformation("Configuration read again; debug is {Debug}", options.Debug);
        }
        catch (ConfigurationException e)
        {
            logger.LogError("The configuration was not read again, the old one stays: {Fault}", e.Message);
        }
    }
}
