using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.OpenStack.ProviderConfig;
using NovaLxd.Outcomes;
using NovaLxd.Periodic;
using NovaLxd.Resources;
using NovaLxd.Rpc;
using NovaLxd.Transfer;
using NovaLxd.Virt;

namespace NovaLxd.Startup;

/// <summary>
/// The life of the service: from the first word with the control plane until the last operation is finished (nova/service.py:Service.start;
/// nova/compute/manager.py:init_host). What cannot be reached is waited for; what is wrong stops the service with the reason.
/// </summary>
internal sealed class ComputeHost(
    ConductorClient conductor,
    IContainerDriver driver,
    ControlPlane controlPlane,
    ComputeVersionCheck versions,
    ServiceRecord record,
    NodeRegistration node,
    InitHost initHost,
    MoveRecovery moves,
    TransferServer transfers,
    ResourceTracker resources,
    ComputeRpcServer server,
    PeriodicTasks periodic,
    LifecycleWatcher lifecycle,
    StartupState state,
    ServiceOptions options,
    OptionsCheck check,
    IHostApplicationLifetime lifetime,
    ILogger<ComputeHost> logger) : BackgroundService
{
    private bool _serving;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await StartAsync(RequestContext.CreateAdmin(), stoppingToken);
            state.Reached("serving");
            await Task.WhenAll(periodic.RunAsync(stoppingToken), lifecycle.RunAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            logger.LogDebug("Stopping");
        }
        catch (Exception e) when (e is ConfigurationException or ProviderConfigException or VirtException
            or ServiceTooOldException or TooOldComputeServiceException or DeclarationRefusedException)
        {
            logger.LogCritical("The service cannot run: {Reason}", e.Message);
            Environment.ExitCode = 1;
            lifetime.StopApplication();
        }
    }

    /// <summary>Takes nothing new, lets what runs finish, and hands the rest to the next start, which finds it by its task state.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_serving)
        {
            await server.StopAsync(cancellationToken);
        }

        await base.StopAsync(cancellationToken);
    }

    /// <summary>(1) host (2) control plane (3) identity (4) instances (5) service record (6) resources (7) messages.</summary>
    private async Task StartAsync(RequestContext context, CancellationToken cancellationToken)
    {
        check.Warn();

        // (1)
        state.Reached("checking the host");
        await driver.InitializeAsync(cancellationToken);

        // (2)
        state.Reached("waiting for nova-conductor");
        await conductor.WaitUntilReadyAsync(e => logger.LogWarning("No conductor answers yet: {Reason}", e.Message), cancellationToken);
        await RepeatedAsync(async token => controlPlane.Learn(await conductor.LearnReleaseAsync(context, token)), cancellationToken);
        logger.LogInformation("The control plane speaks service version {Version}", controlPlane.ServiceVersion);
        await versions.EnsureAsync(context, cancellationToken);

        // (3)
        state.Reached("finding the host's records");
        await RepeatedAsync(async token => await node.EnsureAsync(context, await record.FindAsync(context, token), token), cancellationToken);

        // (4) Before messages are taken: nobody else touches the instances yet.
        state.Reached("recovering instances");
        await RepeatedAsync(token => initHost.RunAsync(context, token), cancellationToken);
        await RepeatedAsync(token => moves.RunAsync(context, token), cancellationToken);

        // (5)
        await RepeatedAsync(token => record.RegisterAsync(context, token), cancellationToken);

        // (6)
        state.Reached("reporting resources");
        await Retry.UntilDoneAsync(
            token => resources.UpdateAsync(context, startup: true, token),
            e => logger.LogWarning("The host's resources could not be reported yet: {Reason}", e.Message),
            cancellationToken);

        // (7) Before the first message that says that something comes.
        await transfers.StartAsync(cancellationToken);
        state.Reached("declaring queues");
        await server.StartAsync(cancellationToken);
        _serving = true;
        await RepeatedAsync(token => record.ReportAsync(context, token), cancellationToken);
        logger.LogInformation("Compute service {Host} is up", options.Host);
    }

    /// <summary>A conductor that answers pings may still be without its database, or go away again.</summary>
    private Task RepeatedAsync(Func<CancellationToken, Task> step, CancellationToken cancellationToken) => Retry.UntilDoneAsync(
        step, e => logger.LogWarning("No progress with {Phase} yet: {Reason}", state.Phase, e.Message), cancellationToken);
}
