using Microsoft.AspNetCore.Http;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.TestCloud.Keystone;

/// <summary>A service behind keystonemiddleware: every route except <see cref="IsPublic"/> ones wants a valid X-Auth-Token.</summary>
public abstract class AuthenticatedService(string name, FakeKeystone keystone) : FakeService(name)
{
    /// <summary>Paths that need no token (version discovery).</summary>
    protected virtual bool IsPublic(PathString path) => path == "/";

    protected override void Check(HttpContext context)
    {
        if (IsPublic(context.Request.Path))
            return;
        var serviceToken = context.Request.Headers["X-Service-Token"].FirstOrDefault();
        context.Items["token"] = keystone.Validate(context.Request.Headers["X-Auth-Token"].FirstOrDefault(), serviceToken)
            ?? throw new ServiceFailureException(401, "The request you have made requires authentication.");
        if (serviceToken is not null && keystone.Validate(serviceToken) is null)
            throw new ServiceFailureException(401, "The service token is not valid.");
    }

    protected static IssuedToken Token(FakeRequest request) => (IssuedToken)request.Context.Items["token"]!;
}
