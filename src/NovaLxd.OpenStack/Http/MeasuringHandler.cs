using Microsoft.Extensions.Logging;

namespace NovaLxd.OpenStack.Http;

/// <summary>
/// Innermost handler: one attempt is one measurement. Reads the whole body within the attempt, so that a body that breaks off or stalls is
/// repeated like any other failure; image data is passed through.
/// </summary>
internal sealed partial class MeasuringHandler(string service, OpenStackMetrics metrics, TimeProvider time, ILogger<MeasuringHandler> logger) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var outcome = "unreachable";
        HttpResponseMessage? response = null;
        try
        {
            response = await base.SendAsync(request, cancellationToken);
            if (!request.IsStream())
                await response.Content.LoadIntoBufferAsync(cancellationToken);
            outcome = $"{(int)response.StatusCode / 100}xx";
            return response;
        }
        catch
        {
            response?.Dispose();
            throw;
        }
        finally
        {
            var elapsed = time.GetElapsedTime(started);
            metrics.Record(service, request.Method.Method, outcome, elapsed);
            Sent(service, request.Method, request.RequestUri, (int?)response?.StatusCode, (int)elapsed.TotalMilliseconds);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Service}: {Method} {Url} answered {Status} in {Milliseconds} ms")]
    private partial void Sent(string service, HttpMethod method, Uri? url, int? status, int milliseconds);
}
