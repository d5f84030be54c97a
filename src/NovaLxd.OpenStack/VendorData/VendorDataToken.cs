using NovaLxd.OpenStack.Authentication;

namespace NovaLxd.OpenStack.VendorData;

/// <summary>Puts the token of [vendordata_dynamic_auth] on a request, where that section has a login.</summary>
internal sealed class VendorDataToken(OpenStackOptions options, KeystoneSessions sessions) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (sessions.For(options.VendorData) is { } session)
            request.Headers.TryAddWithoutValidation("X-Auth-Token", (await session.GetAsync(cancellationToken)).Value);
        return await base.SendAsync(request, cancellationToken);
    }
}
