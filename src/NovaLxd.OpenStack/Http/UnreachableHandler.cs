using Polly.Timeout;

namespace NovaLxd.OpenStack.Http;

/// <summary>Outermost handler: what is still a transport failure after all repetitions becomes a <see cref="ServiceUnreachableException"/>.</summary>
internal sealed class UnreachableHandler(string service) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await base.SendAsync(request, cancellationToken);
        }
        catch (HttpRequestException e)
        {
            throw new ServiceUnreachableException(service, request.RequestUri, Why(e), e);
        }
        catch (IOException e)
        {
            throw new ServiceUnreachableException(service, request.RequestUri, "the answer broke off: " + e.Message, e);
        }
        catch (TimeoutRejectedException e)
        {
            throw new ServiceUnreachableException(service, request.RequestUri, $"no answer within {e.Timeout.TotalSeconds:0.#} s", e);
        }
    }

    /// <summary>The inner exception says what is wrong with a certificate; with a refused connection it says the same again.</summary>
    private static string Why(HttpRequestException e) =>
        e.InnerException is { } inner && !e.Message.StartsWith(inner.Message, StringComparison.Ordinal) ? $"{e.Message} {inner.Message}" : e.Message;
}
