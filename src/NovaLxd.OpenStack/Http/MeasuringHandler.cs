using System.Diagnostics;

namespace NovaLxd.OpenStack.Http;

/// <summary>
/// Innermost handler: one attempt is one measurement. Reads the whole body within the attempt, so that a body that breaks off or stalls is
/// repeated like any other failure; image data is passed through.
/// </summary>
internal sealed class MeasuringHandler(string service, OpenStackMetrics metrics, TimeProvider time) : DelegatingHandler
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
            metrics.Record(service, request.Method.Method, outcome, time.GetElapsedTime(started));
        }
    }
}
