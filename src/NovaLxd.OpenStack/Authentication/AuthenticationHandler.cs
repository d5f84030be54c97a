using System.Net;
using NovaLxd.OpenStack.Http;

namespace NovaLxd.OpenStack.Authentication;

/// <summary>
/// Puts tokens and the request id on a request. After a 401 the tokens that are ours are renewed and the request is sent once more;
/// a user's token cannot be renewed, so its 401 goes to the caller (nova/service_auth.py, keystoneauth1/session.py).
/// </summary>
internal sealed class AuthenticationHandler(ServiceIdentity identity, OpenStackOptions options, KeystoneSessions sessions) : DelegatingHandler
{
    private readonly KeystoneSession? own = sessions.For(identity.Login);
    private readonly KeystoneSession? serviceUser =
        identity.SendsServiceToken && options.SendServiceUserToken ? sessions.For(options.ServiceUser) : null;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var caller = request.GetCaller() ?? throw new InvalidOperationException($"{request.Method} {request.RequestUri} was made without a caller.");
        Set(request, "X-Openstack-Request-Id", caller.OutgoingRequestId);
        Set(request, "User-Agent", options.UserAgent);

        var renewable = await AuthorizeAsync(request, caller, cancellationToken);
        var response = await base.SendAsync(request, cancellationToken);
        if (response.StatusCode != HttpStatusCode.Unauthorized || renewable.Count == 0 || IsSpent(request))
            return response;

        foreach (var (session, token) in renewable)
            session.Invalidate(token);
        response.Dispose();
        await AuthorizeAsync(request, caller, cancellationToken);
        return await base.SendAsync(request, cancellationToken);
    }

    /// <summary>An upload whose stream has been read cannot be sent again.</summary>
    private static bool IsSpent(HttpRequestMessage request) => request.IsStream() && request.Content is not null;

    private async Task<List<(KeystoneSession Session, string Token)>> AuthorizeAsync(
        HttpRequestMessage request, OpenStackCaller caller, CancellationToken cancellationToken)
    {
        var renewable = new List<(KeystoneSession, string)>();
        if (identity.UsesUserToken(caller))
        {
            Set(request, "X-Auth-Token", caller.UserToken!);
        }
        else
        {
            var session = OwnSession(caller);
            var token = (await session.GetAsync(cancellationToken)).Value;
            Set(request, "X-Auth-Token", token);
            renewable.Add((session, token));
        }

        if (serviceUser is not null)
        {
            var token = (await serviceUser.GetAsync(cancellationToken)).Value;
            Set(request, "X-Service-Token", token);
            renewable.Add((serviceUser, token));
        }

        return renewable;
    }

    private KeystoneSession OwnSession(OpenStackCaller caller)
    {
        var name = identity.Section.Name;
        if (!identity.AlwaysService && !caller.AsService && !caller.IsAdmin)
            throw new AuthenticationFailedException(name, $"the request {caller.RequestId} carries no user token, so {name} cannot be called for the user");
        return own ?? throw new AuthenticationFailedException(name, $"[{name}] has no credentials: set auth_type, auth_url, username, password, project_name and the domains");
    }

    private static void Set(HttpRequestMessage request, string header, string value)
    {
        request.Headers.Remove(header);
        request.Headers.TryAddWithoutValidation(header, value);
    }
}
