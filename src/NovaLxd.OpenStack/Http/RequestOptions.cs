namespace NovaLxd.OpenStack.Http;

/// <summary>What travels with a request through the handlers, set by a Refit <c>[Property]</c> parameter or by the outermost handler.</summary>
internal static class RequestOptions
{
    public const string CallerKey = "novalxd.caller";
    public const string StreamKey = "novalxd.stream";

    public static readonly HttpRequestOptionsKey<OpenStackCaller> Caller = new(CallerKey);

    /// <summary>True for image data: the body is neither buffered nor under the attempt's time limit.</summary>
    public static readonly HttpRequestOptionsKey<bool> Stream = new(StreamKey);

    /// <summary>Path and query as the Refit interface made them, before an endpoint was chosen.</summary>
    public static readonly HttpRequestOptionsKey<string> PathAndQuery = new("novalxd.path");

    public static bool IsStream(this HttpRequestMessage request) => request.Options.TryGetValue(Stream, out var stream) && stream;

    public static OpenStackCaller? GetCaller(this HttpRequestMessage request) => request.Options.TryGetValue(Caller, out var caller) ? caller : null;
}
