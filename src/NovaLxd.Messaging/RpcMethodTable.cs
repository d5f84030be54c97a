using System.Diagnostics.CodeAnalysis;
using Newtonsoft.Json.Linq;

namespace NovaLxd.Messaging;

/// <summary>A request taken from the bus.</summary>
/// <param name="Method">Name of the RPC method.</param>
/// <param name="Namespace">Namespace of the target, null for the main endpoint.</param>
/// <param name="Version">Version the caller asks for; <c>1.0</c> when the message has none.</param>
/// <param name="Context">Who asks.</param>
/// <param name="Arguments">Named arguments, as they came.</param>
/// <param name="IsCall">Whether the caller waits for a reply.</param>
public sealed record RpcRequest(string Method, string? Namespace, string? Version, RequestContext Context, JObject Arguments, bool IsCall);

/// <summary>
/// Answers one RPC method. What it returns becomes the reply's result; what it throws becomes its failure. The token is cancelled only when
/// the server gives up waiting for the handler at shutdown.
/// </summary>
public delegate Task<JToken?> RpcHandler(RpcRequest request, CancellationToken cancellationToken);

/// <summary>Methods of one namespace and version.</summary>
public sealed class RpcEndpoint
{
    private readonly Dictionary<string, RpcHandler> _methods = new(StringComparer.Ordinal);

    internal RpcEndpoint(string? @namespace, string version)
    {
        Namespace = @namespace;
        Version = version;
    }

    public string? Namespace { get; }

    /// <summary>The newest version answered, e.g. <c>6.5</c>.</summary>
    public string Version { get; }

    public IReadOnlyCollection<string> Methods => _methods.Keys;

    /// <summary>Adds a method; a name may stand here once, and not begin with an underscore.</summary>
    public RpcEndpoint Add(string method, RpcHandler handler)
    {
        ArgumentException.ThrowIfNullOrEmpty(method);
        ArgumentNullException.ThrowIfNull(handler);
        if (method.StartsWith('_'))
        {
            throw new ArgumentException($"{method} is private: oslo.messaging answers no method that begins with an underscore", nameof(method));
        }

        _methods.Add(method, handler);
        return this;
    }

    internal bool TryGet(string method, [NotNullWhen(true)] out RpcHandler? handler) => _methods.TryGetValue(method, out handler);
}

/// <summary>
/// The endpoints of a server, asked in the order they were added: the first with the request's namespace, a compatible version and the method
/// answers (oslo.messaging <c>rpc/dispatcher.py</c>). Fill it before the server starts.
/// </summary>
public sealed class RpcMethodTable
{
    private const string DispatcherModule = "oslo_messaging.rpc.dispatcher";
    private readonly List<RpcEndpoint> _endpoints = [];

    public IReadOnlyList<RpcEndpoint> Endpoints => _endpoints;

    /// <summary>Adds an endpoint; add its methods to what is returned.</summary>
    public RpcEndpoint AddEndpoint(string? @namespace, string version)
    {
        var endpoint = new RpcEndpoint(@namespace, version);
        _endpoints.Add(endpoint);
        return endpoint;
    }

    /// <summary>Nova's <c>BaseRPCAPI</c> (<c>nova/baserpc.py</c>): <c>ping</c> and <c>get_backdoor_port</c>; we have no backdoor.</summary>
    public RpcEndpoint AddBaseApi(string service) => AddEndpoint("baseapi", "1.1")
        .Add("ping", (request, _) => Task.FromResult<JToken?>(new JObject { ["service"] = service, ["arg"] = request.Arguments["arg"] }))
        .Add("get_backdoor_port", (_, _) => Task.FromResult<JToken?>(null));

    internal void AddServerPing() => AddEndpoint(null, "1.0").Add("oslo_rpc_server_ping", (_, _) => Task.FromResult<JToken?>("pong"));

    /// <summary>The handler of a request.</summary>
    /// <exception cref="RpcFailureException"><c>NoSuchMethod</c> or <c>UnsupportedVersion</c>, as oslo.messaging raises them.</exception>
    public RpcHandler Find(RpcRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var compatible = false;
        foreach (var endpoint in _endpoints)
        {
            if (endpoint.Namespace != request.Namespace || !RpcVersion.IsCompatible(endpoint.Version, request.Version))
            {
                continue;
            }

            if (endpoint.TryGet(request.Method, out var handler))
            {
                return handler;
            }

            compatible = true;
        }

        throw new RpcFailureException(compatible
            ? Failure("NoSuchMethod", $"Endpoint does not support RPC method {request.Method}")
            : Failure("UnsupportedVersion", $"Endpoint does not support RPC version {request.Version}. Attempted method: {request.Method}"));
    }

    private static RemoteFailure Failure(string name, string message) => new(DispatcherModule, name, message, [message], [], []);
}
