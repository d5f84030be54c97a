using Newtonsoft.Json.Linq;

namespace NovaLxd.Messaging;

/// <summary>
/// An exception as it travels in the <c>failure</c> key of a reply (oslo.messaging <c>_drivers/common.py:serialize_remote_exception</c>).
/// The Python side rebuilds <c>Class(*Args, **Kwargs)</c> when <see cref="Module"/> is <c>nova.exception</c> or <c>builtins</c>,
/// and raises <c>RemoteError</c> with class and message otherwise.
/// </summary>
/// <param name="Module">Python module, e.g. <c>nova.exception</c>.</param>
/// <param name="Class">Bare class name, e.g. <c>InstanceNotFound</c>.</param>
/// <param name="Message">What <c>str(exception)</c> gives.</param>
/// <param name="Args">Positional arguments of the exception; for Nova's a list with the formatted message.</param>
/// <param name="Kwargs">Named ones; for Nova's always with <c>code</c>.</param>
/// <param name="Traceback">Lines of the traceback, each with its line end.</param>
public sealed record RemoteFailure(
    string Module, string Class, string Message, JArray Args, JObject Kwargs, IReadOnlyList<string> Traceback)
{
    private const string RemotePostfix = "_Remote";

    /// <summary>
    /// A failure of <c>nova.exception</c> with the usual arguments: the message, and <paramref name="code"/> among <paramref name="kwargs"/>.
    /// </summary>
    public static RemoteFailure Nova(string className, string message, int code = 500, JObject? kwargs = null)
    {
        var named = kwargs is null ? [] : (JObject)kwargs.DeepClone();
        named["code"] = code;
        return new RemoteFailure("nova.exception", className, message, [message], named, []);
    }

    /// <summary>A builtin exception of Python, e.g. <c>NotImplementedError</c>.</summary>
    public static RemoteFailure Builtin(string className, string message) => new("builtins", className, message, [message], [], []);

    /// <summary>
    /// What becomes of an exception that nobody translated: a remote failure goes on as it came, anything else gets its .NET name, which
    /// reaches Nova's API as <c>RemoteError</c> with that name and message.
    /// </summary>
    public static RemoteFailure From(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        return exception switch
        {
            RpcFailureException own => own.Failure,
            RemoteFailureException remote => remote.Failure,
            _ => new RemoteFailure(exception.GetType().Namespace ?? "", exception.GetType().Name, exception.Message, [exception.Message], [], []),
        };
    }

    /// <summary>The same with the .NET stack as traceback, when it has none yet.</summary>
    public RemoteFailure WithTraceback(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        return Traceback.Count > 0
            ? this
            : this with { Traceback = [.. exception.ToString().Split('\n').Select(line => line.TrimEnd('\r') + "\n")] };
    }

    internal JObject ToJson() => new()
    {
        ["class"] = Class,
        ["module"] = Module,
        ["message"] = Message,
        ["tb"] = new JArray(Traceback),
        ["args"] = Args,
        ["kwargs"] = Kwargs,
    };

    internal static RemoteFailure FromJson(JObject json)
    {
        var name = json["class"]?.ToString() ?? "Exception";
        var module = json["module"]?.ToString() ?? "builtins";
        if (name.EndsWith(RemotePostfix, StringComparison.Ordinal))
        {
            // A failure that was raised remotely and raised again carries the postfix on both; peers differ in how much they strip.
            name = name[..^RemotePostfix.Length];
            module = module.EndsWith(RemotePostfix, StringComparison.Ordinal) ? module[..^RemotePostfix.Length] : module;
        }

        return new RemoteFailure(
            module == "exceptions" ? "builtins" : module,
            name,
            json["message"]?.ToString() ?? "",
            json["args"] as JArray ?? [],
            json["kwargs"] as JObject ?? [],
            json["tb"] is JArray lines ? [.. lines.Select(line => line.ToString())] : []);
    }
}

/// <summary>Thrown by an RPC handler: the caller gets exactly this failure.</summary>
public sealed class RpcFailureException : Exception
{
    public RpcFailureException() : this(RemoteFailure.Builtin("Exception", "")) { }

    public RpcFailureException(string message) : this(RemoteFailure.Builtin("Exception", message)) { }

    public RpcFailureException(string message, Exception innerException) : base(message, innerException) =>
        Failure = RemoteFailure.Builtin("Exception", message);

    public RpcFailureException(RemoteFailure failure, Exception? innerException = null) : base(failure?.Message, innerException)
    {
        ArgumentNullException.ThrowIfNull(failure);
        Failure = failure;
    }

    public RemoteFailure Failure { get; }
}

/// <summary>The other side answered a call with an exception.</summary>
public sealed class RemoteFailureException : Exception
{
    public RemoteFailureException() : this(RemoteFailure.Builtin("Exception", "")) { }

    public RemoteFailureException(string message) : this(RemoteFailure.Builtin("Exception", message)) { }

    public RemoteFailureException(string message, Exception innerException) : base(message, innerException) =>
        Failure = RemoteFailure.Builtin("Exception", message);

    public RemoteFailureException(RemoteFailure failure) : base($"{failure?.Class}: {failure?.Message}")
    {
        ArgumentNullException.ThrowIfNull(failure);
        Failure = failure;
    }

    public RemoteFailure Failure { get; }

    /// <summary>Whether it is this class of <c>nova.exception</c>.</summary>
    public bool IsNova(string className) => Failure.Module == "nova.exception" && Failure.Class == className;
}
