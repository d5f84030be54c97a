using System.Globalization;
using Newtonsoft.Json.Linq;

namespace NovaLxd.Messaging.Wire;

/// <summary>The payload of a request: method, arguments, context and, for calls, where the reply goes.</summary>
/// <param name="MessageId"><c>_msg_id</c>; null for a cast.</param>
/// <param name="ReplyQueue"><c>_reply_q</c>; null for a cast.</param>
/// <param name="MonitorTimeout"><c>_timeout</c>: the caller gives up after so many seconds of silence; null: no heartbeats are wanted.</param>
/// <param name="UniqueId"><c>_unique_id</c>, for the duplicate filter.</param>
internal sealed record RequestPayload(RpcRequest Request, string? MessageId, string? ReplyQueue, double? MonitorTimeout, string? UniqueId)
{
    private const string ContextPrefix = "_context_";

    public static RequestPayload Read(JObject payload)
    {
        var context = new JObject();
        foreach (var property in payload.Properties().Where(property => property.Name.StartsWith(ContextPrefix, StringComparison.Ordinal)))
        {
            context[property.Name[ContextPrefix.Length..]] = property.Value;
        }

        var messageId = Text(payload, "_msg_id");
        var request = new RpcRequest(
            Text(payload, "method") ?? throw new MalformedMessageException("the request names no method"),
            Text(payload, "namespace"),
            payload.ContainsKey("version") ? Text(payload, "version") : "1.0",
            RequestContext.From(context),
            payload["args"] as JObject ?? [],
            messageId is not null);
        return new RequestPayload(request, messageId, Text(payload, "_reply_q"), Seconds(payload["_timeout"]), Text(payload, "_unique_id"));
    }

    /// <summary>A request ready to be wrapped; <paramref name="call"/> adds the keys of a call.</summary>
    public static JObject Write(
        RpcTarget target, RequestContext context, string method, JObject arguments, (string MessageId, string ReplyQueue, TimeSpan? Monitor)? call)
    {
        var payload = new JObject { ["method"] = method, ["args"] = arguments };
        if (target.Namespace is not null)
        {
            payload["namespace"] = target.Namespace;
        }

        if (target.Version is not null)
        {
            payload["version"] = target.Version;
        }

        if (call is { } c)
        {
            payload["_msg_id"] = c.MessageId;
            payload["_reply_q"] = c.ReplyQueue;
            payload["_timeout"] = c.Monitor is { } monitor ? (int)Math.Ceiling(monitor.TotalSeconds) : null;
        }

        payload["_unique_id"] = NewId();
        AddContext(payload, context.ToJson());
        return payload;
    }

    public static void AddContext(JObject payload, JObject context)
    {
        foreach (var property in context.Properties())
        {
            payload[ContextPrefix + property.Name] = property.Value;
        }
    }

    /// <summary>32 hexadecimal digits, as <c>uuid4().hex</c>.</summary>
    public static string NewId() => Guid.NewGuid().ToString("N");

    private static string? Text(JObject payload, string key) => payload[key] is { Type: not JTokenType.Null } value ? value.ToString() : null;

    // Python takes int(value), so a text of digits counts and a fraction is cut off; anything else means no heartbeats.
    private static double? Seconds(JToken? value) => value switch
    {
        { Type: JTokenType.Integer or JTokenType.Float } => Math.Truncate(value.Value<double>()),
        { Type: JTokenType.String } when int.TryParse(value.ToString(), NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) => number,
        _ => null,
    };
}
