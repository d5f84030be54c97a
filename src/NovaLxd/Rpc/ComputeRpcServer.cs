using Microsoft.Extensions.Logging;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Outcomes;

namespace NovaLxd.Rpc;

/// <summary>
/// The service's ears: both topics of the compute RPC. On stopping, <c>compute</c> goes first; <c>compute-alt</c> carries the answers that operations in
/// progress wait for (from 2026.1 on) and stays until they are done.
/// </summary>
internal sealed class ComputeRpcServer(
    RabbitTransport transport, ComputeRpc methods, OperationRunner runner, ServiceOptions options, ILogger<ComputeRpcServer> logger) : IAsyncDisposable
{
    private const string Main = "compute";
    private const string Alternative = "compute-alt";

    private RpcServer? _server;

    /// <summary>What runs now.</summary>
    public IReadOnlyList<RpcInProgress> InProgress => _server?.InProgress ?? [];

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var table = new RpcMethodTable();
        methods.AddTo(table, runner);
        _server = new RpcServer(transport, [Main, Alternative], options.Host, table, FaultTranslation.ToRemote);
        await _server.StartAsync(cancellationToken);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_server is null)
        {
            return;
        }

        await _server.StopConsumingAsync(Main, cancellationToken);
        var drained = await _server.DrainAsync(Main, options.GracefulShutdownTimeout, cancellationToken);
        var left = await _server.StopAsync(drained ? options.GracefulShutdownTimeout : TimeSpan.Zero, cancellationToken);
        foreach (var request in left)
        {
            logger.LogWarning("{Method} ({RequestId}) was not finished; the next start takes it up by its task state.", request.Method, request.RequestId);
        }
    }

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? ValueTask.CompletedTask;
}
