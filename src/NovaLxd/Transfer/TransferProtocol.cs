using System.Net;

namespace NovaLxd.Transfer;

/// <summary>
/// What both ends of the channel agree on: HTTP over TLS 1.3, in which each shows a certificate.
/// <code>
/// PUT    /v1/arrivals/{instance}                   manifest -> status      begins, or finds what has begun; how far each part has come
/// PUT    /v1/arrivals/{instance}/{part}?offset=    data     -> status      409 when they are not beyond what has come
/// POST   /v1/arrivals/{instance}/completion        hashes   -> status      202: it is being worked at, ask again
/// DELETE /v1/arrivals/{instance}                                           gives it up
/// </code>
/// 403: not with this certificate, or not wanted. 404: nothing has begun. 422: what came cannot be taken. 503: try later. 507: no room.
/// </summary>
internal static class TransferProtocol
{
    public const string Root = "/v1/arrivals";

    /// <summary>Most bytes of a part in one request.</summary>
    public const int PieceBytes = 4 << 20;

    /// <summary>Most bytes of a manifest or of hashes.</summary>
    public const int MessageBytes = 256 << 10;

    /// <summary>Longest wait for the answer to one request; the work of a completion goes on meanwhile.</summary>
    public static readonly TimeSpan RequestLimit = TimeSpan.FromSeconds(60);

    /// <summary>How long a request waits for a completion before it answers that it is being worked at.</summary>
    public static readonly TimeSpan CompletionWait = TimeSpan.FromSeconds(20);

    public const HttpStatusCode Denied = HttpStatusCode.Forbidden;
    public const HttpStatusCode Refused = HttpStatusCode.UnprocessableEntity;
    public const HttpStatusCode OutOfSpace = HttpStatusCode.InsufficientStorage;
}
