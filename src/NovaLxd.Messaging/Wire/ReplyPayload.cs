using Newtonsoft.Json.Linq;

namespace NovaLxd.Messaging.Wire;

/// <summary>
/// The payload of a reply. <paramref name="Ending"/> is false for a call-monitor heartbeat, and for the result of very old servers.
/// </summary>
internal sealed record ReplyPayload(string? MessageId, JToken? Result, RemoteFailure? Failure, bool Ending, string? UniqueId)
{
    public JObject Write() => new()
    {
        ["result"] = Result,
        // JSON inside JSON: the failure is a text.
        ["failure"] = Failure is null ? null : OsloJson.Serialize(Failure.ToJson()),
        ["ending"] = Ending,
        ["_msg_id"] = MessageId,
        ["_unique_id"] = UniqueId ?? RequestPayload.NewId(),
    };

    public static ReplyPayload Read(JObject payload)
    {
        var failure = payload["failure"] is { Type: JTokenType.String } text && text.ToString().Length > 0
            ? RemoteFailure.FromJson(
                OsloJson.Parse(text.ToString()) as JObject ?? throw new MalformedMessageException("the failure is not an object"))
            : null;
        var result = payload["result"];
        return new ReplyPayload(
            payload["_msg_id"]?.ToString(),
            result is null or { Type: JTokenType.Null } ? null : result,
            failure,
            payload["ending"] is { Type: JTokenType.Boolean } ending && ending.Value<bool>(),
            payload["_unique_id"]?.ToString());
    }
}
