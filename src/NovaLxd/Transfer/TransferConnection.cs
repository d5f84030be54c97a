using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Security.Authentication;
using System.Text.Json;
using NovaLxd.Virt;

namespace NovaLxd.Transfer;

/// <summary>The sending end of the channel: one peer, each request of <see cref="TransferProtocol"/> a method, and each answer a status or one of three exceptions.</summary>
internal sealed class TransferConnection : IDisposable
{
    private readonly HttpClient _client;
    private readonly Uri _root;

    /// <summary>Why the peer's certificate was not accepted last.</summary>
    private volatile string? _refused;

    public TransferConnection(TransferTarget target, TransferOptions options, TransferCertificates certificates, TimeSpan requestLimit)
    {
        Target = target;
        _root = new UriBuilder("https", target.Address, options.TransferPort, TransferProtocol.Root).Uri;
        var handler = new SocketsHttpHandler
        {
            SslOptions = certificates.ForClient(target.Host, reason => _refused = reason),
            ConnectTimeout = TimeSpan.FromSeconds(15),
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            MaxConnectionsPerServer = 1,
        };
        _client = new HttpClient(handler) { Timeout = requestLimit, MaxResponseContentBufferSize = TransferProtocol.MessageBytes };
    }

    public TransferTarget Target { get; }

    public Task<ArrivalStatus> BeginAsync(ContainerManifest manifest, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Put, $"/{manifest.Spec.Id}", new ByteArrayContent(manifest.ToJson()), cancellationToken)!;

    public Task WriteAsync(Guid id, string part, long offset, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) =>
        SendAsync(
            HttpMethod.Put, string.Create(CultureInfo.InvariantCulture, $"/{id}/{part}?offset={offset}"), new ReadOnlyMemoryContent(data), cancellationToken);

    public Task<ArrivalStatus> CompleteAsync(Guid id, IReadOnlyDictionary<string, string> hashes, CancellationToken cancellationToken) =>
        SendAsync(
            HttpMethod.Post, $"/{id}/completion",
            new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(new ArrivalCompletion(hashes), TransferJson.Default.ArrivalCompletion)), cancellationToken)!;

    public Task AbandonAsync(Guid id, CancellationToken cancellationToken) => SendAsync(HttpMethod.Delete, $"/{id}", null, cancellationToken);

    public void Dispose() => _client.Dispose();

    /// <returns>Null for a request without answer.</returns>
    private async Task<ArrivalStatus?> SendAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, _root + path) { Content = content, Version = HttpVersion.Version11 };
        try
        {
            using var response = await _client.SendAsync(request, cancellationToken);
            return response.StatusCode switch
            {
                HttpStatusCode.OK or HttpStatusCode.Accepted =>
                    await response.Content.ReadFromJsonAsync(TransferJson.Default.ArrivalStatus, cancellationToken)
                        ?? throw new TransferBrokenException("its answer is empty"),
                HttpStatusCode.NoContent => null,
                HttpStatusCode.NotFound or HttpStatusCode.Conflict => throw new TransferBrokenException(await ReasonAsync(response, cancellationToken)),
                HttpStatusCode.ServiceUnavailable => throw new TransferBusyException(await ReasonAsync(response, cancellationToken)),
                >= HttpStatusCode.InternalServerError and not TransferProtocol.OutOfSpace =>
                    throw new TransferBrokenException(await ReasonAsync(response, cancellationToken)),
                _ => throw new TransferFailedException($"Host {Target.Host} does not take the server: {await ReasonAsync(response, cancellationToken)}"),
            };
        }
        catch (HttpRequestException e) when (_refused is { } reason && e.InnerException is AuthenticationException)
        {
            throw new TransferFailedException($"What answers at {Target.Address} for host {Target.Host} cannot be trusted: {reason}", e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException)
        {
            throw new TransferBrokenException($"{Innermost(e)}", e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TransferBrokenException($"no answer within {_client.Timeout}", e);
        }
    }

    private static async Task<string> ReasonAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            if (await response.Content.ReadFromJsonAsync(TransferJson.Default.TransferError, cancellationToken) is { Error.Length: > 0 } error)
            {
                return error.Error;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // A status instead of a reason; the line says at least which.
        }

        return string.Create(CultureInfo.InvariantCulture, $"it answers with status {(int)response.StatusCode}");
    }

    /// <summary>The frames around it ("an error occurred while sending the request") say nothing.</summary>
    private static string Innermost(Exception e)
    {
        while (e.InnerException is { } inner)
        {
            e = inner;
        }

        return e.Message.TrimEnd('.');
    }
}
