using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using NovaLxd.Configuration;
using NovaLxd.Hosting;
using NovaLxd.Virt;
using BadHttpRequestException = Microsoft.AspNetCore.Http.BadHttpRequestException;

namespace NovaLxd.Transfer;

/// <summary>
/// The receiving end of the channel: <see cref="TransferProtocol"/> over a listener of its own, which has nothing but that. Strangers do not come past the TLS
/// handshake; what a peer may send is bounded in size, rate and number.
/// </summary>
internal sealed class TransferServer(
    TransferReceiver receiver, TransferCertificates certificates, TransferOptions options, ServiceOptions service, TimeProvider time, ILoggerFactory loggers)
    : IAsyncDisposable
{
    private static readonly TimeSpan ExpiryInterval = TimeSpan.FromMinutes(1);

    private readonly ILogger _logger = loggers.CreateLogger<TransferServer>();
    private readonly CancellationTokenSource _stop = new();
    private WebApplication? _application;
    private Task _expiry = Task.CompletedTask;

    /// <summary>Opens the channel if it is configured. Called when what earlier runs left has been cleared away.</summary>
    /// <exception cref="ConfigurationException">The certificates cannot be used, or the address.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (!options.IsOpen)
        {
            if (options.IsPartial)
            {
                throw new ConfigurationException(
                    "[lxd]: transfer_certificate, transfer_key and transfer_ca have to be given together. Without them servers cannot be moved to or from this host.");
            }

            _logger.LogInformation("Servers cannot be moved to or from this host: [lxd] transfer_certificate, transfer_key and transfer_ca are not configured");
            return;
        }

        certificates.Check();
        var text = string.IsNullOrEmpty(options.TransferAddress) ? service.MyIp : options.TransferAddress;
        if (!IPAddress.TryParse(text, out var address))
        {
            throw new ConfigurationException($"[lxd] transfer_address = {text}: expected an IP address");
        }

        var builder = WebApplication.CreateSlimBuilder(ComputeService.Unwatched());
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(loggers);
        builder.WebHost.ConfigureKestrel(kestrel => Configure(kestrel, new IPEndPoint(address, options.TransferPort)));
        _application = builder.Build();
        _application.MapPut(TransferProtocol.Root + "/{instance:guid}", context => AnswerAsync(context, BeginAsync));
        _application.MapPut(TransferProtocol.Root + "/{instance:guid}/{part}", context => AnswerAsync(context, WriteAsync));
        _application.MapPost(TransferProtocol.Root + "/{instance:guid}/completion", context => AnswerAsync(context, CompleteAsync));
        _application.MapDelete(TransferProtocol.Root + "/{instance:guid}", context => AnswerAsync(context, AbandonAsync));
        try
        {
            await _application.StartAsync(cancellationToken);
        }
        catch (IOException e)
        {
            throw new ConfigurationException($"[lxd] transfer_address and transfer_port: {address} port {options.TransferPort} cannot be listened at: {e.Message}");
        }

        _expiry = ExpireAsync();
        _logger.LogInformation("Servers from other hosts are taken at {Address} port {Port}", address, options.TransferPort);
    }

    public async ValueTask DisposeAsync()
    {
        if (_application is { } application)
        {
            _application = null;
            await application.StopAsync();
            await application.DisposeAsync();
            await _stop.CancelAsync();
            await _expiry.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        _stop.Dispose();
    }

    private void Configure(KestrelServerOptions kestrel, IPEndPoint endPoint)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = TransferProtocol.PieceBytes;
        kestrel.Limits.MaxConcurrentConnections = 8 + (4 * options.TransferLimit);
        kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(bytesPerSecond: 16 << 10, gracePeriod: TimeSpan.FromSeconds(10));
        kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(20);
        kestrel.Listen(endPoint, listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            listen.UseHttps(new TlsHandshakeCallbackOptions
            {
                HandshakeTimeout = TimeSpan.FromSeconds(10),
                OnConnection = context => ValueTask.FromResult(certificates.ForServer(
                    reason => _logger.LogWarning("{Peer} is refused: {Reason}", context.Connection.RemoteEndPoint, reason))),
            });
        });
    }

    private async Task BeginAsync(HttpContext context, Guid id, IReadOnlyList<string> peer)
    {
        using var body = await ReadAsync(context, TransferProtocol.MessageBytes);
        await WriteAsync(context, HttpStatusCode.OK, await receiver.BeginAsync(id, peer, ContainerManifest.FromJson(body.Memory.Span), context.RequestAborted));
    }

    private async Task WriteAsync(HttpContext context, Guid id, IReadOnlyList<string> peer)
    {
        if (!long.TryParse(context.Request.Query["offset"], NumberStyles.None, CultureInfo.InvariantCulture, out var offset))
        {
            throw new BadHttpRequestException("The offset is missing.");
        }

        using var body = await ReadAsync(context, TransferProtocol.PieceBytes);
        var part = (string)context.Request.RouteValues["part"]!;
        if (await receiver.WriteAsync(id, peer, part, offset, body.Memory, context.RequestAborted) is var (taken, status))
        {
            await WriteAsync(context, taken ? HttpStatusCode.OK : HttpStatusCode.Conflict, status);
        }
        else
        {
            await WriteAsync(context, HttpStatusCode.NotFound, NothingBegun(id));
        }
    }

    private async Task CompleteAsync(HttpContext context, Guid id, IReadOnlyList<string> peer)
    {
        using var body = await ReadAsync(context, TransferProtocol.MessageBytes);
        var completion = JsonSerializer.Deserialize(body.Memory.Span, TransferJson.Default.ArrivalCompletion) ?? throw new BadHttpRequestException("The hashes are missing.");
        if (await receiver.CompleteAsync(id, peer, completion.Hashes, context.RequestAborted) is { } status)
        {
            await WriteAsync(context, status.Complete ? HttpStatusCode.OK : HttpStatusCode.Accepted, status);
        }
        else
        {
            await WriteAsync(context, HttpStatusCode.NotFound, NothingBegun(id));
        }
    }

    private async Task AbandonAsync(HttpContext context, Guid id, IReadOnlyList<string> peer)
    {
        await receiver.AbandonAsync(id, peer, context.RequestAborted);
        context.Response.StatusCode = (int)HttpStatusCode.NoContent;
    }

    /// <summary>The edge: whatever happened becomes a status, and a reason for the other host's operator.</summary>
    private async Task AnswerAsync(HttpContext context, Func<HttpContext, Guid, IReadOnlyList<string>, Task> handle)
    {
        var id = Guid.Parse((string)context.Request.RouteValues["instance"]!);
        try
        {
            var certificate = context.Connection.ClientCertificate ?? throw new TransferDeniedException("No certificate was shown.");
            await handle(context, id, TransferCertificates.NamesOf(certificate));
        }
#pragma warning disable CA1031 // See the summary.
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be answered; he asks again how far it has come.
        }
        catch (Exception e)
#pragma warning restore CA1031
        {
            var status = StatusOf(e);
            if (status == HttpStatusCode.InternalServerError)
            {
                _logger.LogError(e, "Container {Container} cannot be taken from {Peer}", id, context.Connection.RemoteIpAddress);
            }
            else if (e is not TransferBusyException)
            {
                _logger.LogWarning("Container {Container} is not taken from {Peer}: {Reason}", id, context.Connection.RemoteIpAddress, e.Message);
            }

            if (!context.Response.HasStarted)
            {
                await WriteAsync(context, status, new TransferError(status == HttpStatusCode.InternalServerError ? "it failed there; see its log" : e.Message));
            }
        }
    }

    private static HttpStatusCode StatusOf(Exception e) => e switch
    {
        TransferDeniedException => TransferProtocol.Denied,
        TransferBusyException => HttpStatusCode.ServiceUnavailable,
        OutOfSpaceException => TransferProtocol.OutOfSpace,
        BadHttpRequestException bad => (HttpStatusCode)bad.StatusCode,
        JsonException => HttpStatusCode.BadRequest,
        VirtException => TransferProtocol.Refused,
        _ => HttpStatusCode.InternalServerError,
    };

    private static TransferError NothingBegun(Guid id) => new($"Nothing of container {id} is expected.");

    private static Task WriteAsync(HttpContext context, HttpStatusCode status, ArrivalStatus body) =>
        WriteAsync(context, status, body, TransferJson.Default.ArrivalStatus);

    private static Task WriteAsync(HttpContext context, HttpStatusCode status, TransferError body) =>
        WriteAsync(context, status, body, TransferJson.Default.TransferError);

    private static Task WriteAsync<T>(HttpContext context, HttpStatusCode status, T body, JsonTypeInfo<T> type)
    {
        context.Response.StatusCode = (int)status;
        return context.Response.WriteAsJsonAsync(body, type, cancellationToken: context.RequestAborted);
    }

    /// <summary>The whole body, before any of it counts.</summary>
    private static async Task<RentedBytes> ReadAsync(HttpContext context, int limit)
    {
        if (context.Request.ContentLength is not { } length || length > limit)
        {
            throw new BadHttpRequestException($"A body of at most {limit} bytes is expected, with its length.", StatusCodes.Status413PayloadTooLarge);
        }

        var body = new RentedBytes((int)length);
        try
        {
            await context.Request.Body.ReadExactlyAsync(body.Memory, context.RequestAborted);
            return body;
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    private async Task ExpireAsync()
    {
        using var timer = new PeriodicTimer(ExpiryInterval, time);
        while (await timer.WaitForNextTickAsync(_stop.Token))
        {
            try
            {
                await receiver.ExpireAsync(_stop.Token);
            }
            catch (Exception e) when (e is VirtException or IOException or Virt.Kernel.KernelException)
            {
                _logger.LogError(e, "What is left of a broken transfer could not be taken away");
            }
        }
    }
}
