// Stands in for the types of NovaLxd.Messaging of the same names until that library has them.
using Newtonsoft.Json.Linq;

namespace NovaLxd.Messaging;

/// <summary>Who asks: the <c>_context_*</c> values of a message.</summary>
public sealed class RequestContext
{
    private readonly JObject _values;

    private RequestContext(JObject values) => _values = values;

    public string? UserId => (string?)_values["user_id"] ?? (string?)_values["user"];

    public string? ProjectId => (string?)_values["project_id"] ?? (string?)_values["project"];

    public bool IsAdmin => (bool?)_values["is_admin"] ?? false;

    public string? RequestId => (string?)_values["request_id"];

    public string? AuthToken => (string?)_values["auth_token"];

    public static RequestContext From(JObject values) => new((JObject)values.DeepClone());

    public static RequestContext CreateAdmin() => From(new JObject
    {
        ["is_admin"] = true, ["roles"] = new JArray(), ["request_id"] = $"req-{Guid.NewGuid()}", ["read_deleted"] = "no",
    });

    public RequestContext With(string key, JToken? value)
    {
        var values = ToJson();
        values[key] = value;
        return new RequestContext(values);
    }

    public JObject ToJson() => (JObject)_values.DeepClone();
}

/// <summary>An exception as it travels.</summary>
public sealed record RemoteFailure(string Module, string Class, string Message, JArray Args, JObject Kwargs, IReadOnlyList<string> Traceback)
{
    public static RemoteFailure Nova(string className, string message, int code = 500, JObject? kwargs = null)
    {
        var named = kwargs is null ? [] : (JObject)kwargs.DeepClone();
        named["code"] = code;
        return new RemoteFailure("nova.exception", className, message, [message], named, []);
    }

    public static RemoteFailure Builtin(string className, string message) => new("builtins", className, message, [message], [], []);
}

/// <summary>Thrown by a handler: the caller gets exactly this.</summary>
public sealed class RpcFailureException(RemoteFailure failure, Exception? innerException = null) : Exception(failure.Message, innerException)
{
    public RemoteFailure Failure { get; } = failure;
}

/// <summary>The other side answered with an exception.</summary>
public sealed class RemoteFailureException(RemoteFailure failure) : Exception($"{failure.Class}: {failure.Message}")
{
    public RemoteFailure Failure { get; } = failure;
}

/// <summary>No reply came in time.</summary>
public sealed class RpcTimeoutException(string message) : TimeoutException(message);

/// <summary>A request taken from the bus.</summary>
public sealed record RpcRequest(string Method, string? Namespace, string? Version, RequestContext Context, JObject Arguments, bool IsCall);

/// <summary>Answers one RPC method.</summary>
public delegate Task<JToken?> RpcHandler(RpcRequest request, CancellationToken cancellationToken);
