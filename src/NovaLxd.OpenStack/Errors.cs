using System.Net;

namespace NovaLxd.OpenStack;

/// <summary>Something went wrong between us and another OpenStack service. <see cref="Service"/> is its section in nova.conf (placement, neutron ...).</summary>
public abstract class OpenStackException(string service, string message, Exception? inner = null) : Exception(message, inner)
{
    public string Service { get; } = service;
}

/// <summary>No answer: connection refused, name not found, TLS failure, time-out. Waiting and asking again is the caller's way out.</summary>
public sealed class ServiceUnreachableException(string service, Uri? url, string why, Exception? inner = null)
    : OpenStackException(service, $"{service} at {url?.GetLeftPart(UriPartial.Path) ?? "(no address)"} cannot be reached: {why}", inner)
{
    public Uri? Url { get; } = url;
}

/// <summary>The catalog names no usable endpoint; the message lists what was looked for and what is there.</summary>
public sealed class EndpointNotFoundException(string service, string message) : OpenStackException(service, message);

/// <summary>No token to be had: credentials missing in nova.conf or refused by Keystone, or a request without a user's token.</summary>
public sealed class AuthenticationFailedException(string service, string message, Exception? inner = null) : OpenStackException(service, message, inner);

/// <summary>The service answered, and the answer was not a success.</summary>
public class OpenStackHttpException(string service, HttpStatusCode status, string message, string body, string? requestId, string? code = null)
    : OpenStackException(service, $"{service} answered {(int)status}: {message}" + (requestId is null ? "" : $" (request {requestId})"))
{
    public HttpStatusCode Status { get; } = status;

    /// <summary>The answer's body as text, cut at 64 KiB.</summary>
    public string Body { get; } = body;

    /// <summary>X-Openstack-Request-Id of the answer: what the other service's log has to be searched for.</summary>
    public string? RequestId { get; } = requestId;

    /// <summary>The machine-readable reason: Placement's <c>errors[0].code</c>, Neutron's <c>NeutronError.type</c>.</summary>
    public string? Code { get; } = code;

    /// <summary>The service's own sentence, without our prefix.</summary>
    public string Detail { get; } = message;

    public bool IsNotFound => Status == HttpStatusCode.NotFound;
    public bool IsConflict => Status == HttpStatusCode.Conflict;
}
