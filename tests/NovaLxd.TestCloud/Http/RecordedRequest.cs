using Newtonsoft.Json.Linq;

namespace NovaLxd.TestCloud.Http;

/// <summary>A request that a fake service received, and the status it gave.</summary>
public sealed record RecordedRequest(string Method, string PathAndQuery, IReadOnlyDictionary<string, string> Headers, string Body)
{
    public int Status { get; internal set; }

    public string Path => PathAndQuery.Split('?')[0];

    /// <summary>The body as JSON, null when it is empty or something else.</summary>
    public JToken? Json => Body.Length > 0 && Body[0] is '{' or '[' ? JToken.Parse(Body) : null;

    public string? Header(string name) => Headers.GetValueOrDefault(name);

    /// <summary>Method and path and query, for readable assertions.</summary>
    public string Line => $"{Method} {PathAndQuery}";

    public override string ToString() => $"{Line} -> {Status}";
}
