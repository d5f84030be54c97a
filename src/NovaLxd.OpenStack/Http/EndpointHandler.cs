using NovaLxd.OpenStack.Authentication;

namespace NovaLxd.OpenStack.Http;

/// <summary>Sends each attempt to the endpoint chosen for it. The Refit interfaces know paths only, since endpoints come with tokens.</summary>
internal sealed class EndpointHandler(IEndpointSource endpoints) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (!request.Options.TryGetValue(RequestOptions.PathAndQuery, out var path))
        {
            path = request.RequestUri!.PathAndQuery;
            request.Options.Set(RequestOptions.PathAndQuery, path);
        }

        request.RequestUri = new Uri(await endpoints.GetRootAsync(request.GetCaller()!, cancellationToken) + path);
        return await base.SendAsync(request, cancellationToken);
    }
}
