using System.Globalization;
using Newtonsoft.Json.Linq;

namespace NovaLxd.Messaging;

/// <summary>
/// Who asks, and with which token: Nova's <c>RequestContext</c> as it travels in the <c>_context_*</c> keys of a message.
/// A typed view over the received values; keys we do not know are kept and passed on as they came. Immutable.
/// </summary>
public sealed class RequestContext
{
    private readonly JObject _values;

    private RequestContext(JObject values) => _values = values;

    public string? UserId => Text("user_id") ?? Text("user");
    public string? ProjectId => Text("project_id") ?? Text("project");
    public string? UserName => Text("user_name");
    public string? ProjectName => Text("project_name");

    /// <summary>Id of the domain the token is scoped to.</summary>
    public string? Domain => Text("domain");

    /// <summary>Id of the user's domain.</summary>
    public string? UserDomain => Text("user_domain");

    /// <summary>Id of the project's domain.</summary>
    public string? ProjectDomain => Text("project_domain");

    public string? SystemScope => Text("system_scope");
    public bool IsAdmin => Flag("is_admin", false);
    public bool IsAdminProject => Flag("is_admin_project", true);
    public bool ReadOnly => Flag("read_only", false);
    public bool ShowDeleted => Flag("show_deleted", false);

    /// <summary><c>no</c>, <c>yes</c> or <c>only</c>.</summary>
    public string ReadDeleted => Text("read_deleted") ?? "no";

    /// <summary>The user's Keystone token; null in contexts made by a service.</summary>
    public string? AuthToken => Text("auth_token");

    /// <summary><c>req-</c> and a UUID.</summary>
    public string? RequestId => Text("request_id");

    public string? GlobalRequestId => Text("global_request_id");
    public string? ResourceUuid => Text("resource_uuid");
    public string? RemoteAddress => Text("remote_address");
    public string? QuotaClass => Text("quota_class");

    /// <summary>UTC without a zone, microseconds.</summary>
    public string? Timestamp => Text("timestamp");

    public IReadOnlyList<string> Roles => _values["roles"] is JArray roles ? [.. roles.Select(role => role.ToString())] : [];

    /// <summary>Entries of the form <c>{type, name, endpoints: [{region, publicURL, internalURL, adminURL}]}</c>; a copy.</summary>
    public JArray ServiceCatalog => _values["service_catalog"] is JArray catalog ? (JArray)catalog.DeepClone() : [];

    /// <summary>What other services get as <c>X-Openstack-Request-Id</c>.</summary>
    public string? OutgoingRequestId => GlobalRequestId ?? RequestId;

    /// <summary>A context of these values, keys without the prefix <c>_context_</c>. They are copied.</summary>
    public static RequestContext From(JObject values)
    {
        ArgumentNullException.ThrowIfNull(values);
        return new RequestContext((JObject)values.DeepClone());
    }

    /// <summary>What Nova's services use when they act by themselves: no user, no token, a fresh request id (<c>get_admin_context</c>).</summary>
    public static RequestContext CreateAdmin(TimeProvider? time = null, string readDeleted = "no")
    {
        var now = (time ?? TimeProvider.System).GetUtcNow().UtcDateTime;
        var values = new JObject();
        foreach (var key in (string[])["user", "user_id", "project", "project_id", "project_name", "user_name", "domain", "user_domain",
            "project_domain", "system_scope", "auth_token", "global_request_id", "resource_uuid", "remote_address", "quota_class"])
        {
            values[key] = JValue.CreateNull();
        }

        values["is_admin"] = true;
        values["is_admin_project"] = true;
        values["read_only"] = false;
        values["show_deleted"] = false;
        values["read_deleted"] = readDeleted;
        values["request_id"] = $"req-{Guid.NewGuid():D}";
        values["roles"] = new JArray();
        values["service_catalog"] = new JArray();
        values["user_identity"] = "- - - - -";
        values["timestamp"] = now.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff", CultureInfo.InvariantCulture);
        return new RequestContext(values);
    }

    /// <summary>The same user and token with administrator's rights (<c>RequestContext.elevated</c>).</summary>
    public RequestContext Elevated(string? readDeleted = null)
    {
        var values = ToJson();
        values["is_admin"] = true;
        if (values["roles"] is not JArray roles)
        {
            values["roles"] = roles = [];
        }

        if (!roles.Any(role => role.ToString() == "admin"))
        {
            roles.Add("admin");
        }

        if (readDeleted is not null)
        {
            values["read_deleted"] = readDeleted;
        }

        return new RequestContext(values);
    }

    /// <summary>The same with one value set.</summary>
    public RequestContext With(string key, JToken? value)
    {
        var values = ToJson();
        values[key] = value;
        return new RequestContext(values);
    }

    /// <summary>A copy of the value of any key, null when it is missing.</summary>
    public JToken? this[string key] => _values[key]?.DeepClone();

    /// <summary>A copy of all values, keys without the prefix.</summary>
    public JObject ToJson() => (JObject)_values.DeepClone();

    /// <summary>The request id: never the token.</summary>
    public override string ToString() => RequestId ?? "-";

    private string? Text(string key) => _values[key] is { Type: not JTokenType.Null } value ? value.ToString() : null;

    private bool Flag(string key, bool otherwise) => _values[key] is { Type: JTokenType.Boolean } value ? value.Value<bool>() : otherwise;
}
