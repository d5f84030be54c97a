using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace NovaLxd.OpenStack.Tests.Contract;

/// <summary>One request of a real nova-compute with its answer, from tests/wire/http/RELEASE.jsonl.</summary>
public sealed record Recording(string Release, string Service, string Method, string Path, string? Version, bool UserOrOwnToken, bool ServiceToken, JToken? Body, int Status, JToken? Response)
{
    public string Line => $"{Method} {Path}";

    public static IReadOnlyList<Recording> Load(string release) =>
    [
        .. File.ReadLines(System.IO.Path.Combine(Directory, release + ".jsonl")).Select(line =>
        {
            var json = JsonConvert.DeserializeObject<JObject>(line, new JsonSerializerSettings { DateParseHandling = DateParseHandling.None })!;
            return new Recording(
                release, (string)json["service"]!, (string)json["method"]!, (string)json["path"]!, (string?)json["version"],
                (bool)json["userOrOwnToken"]!, (bool)json["serviceToken"]!, json["body"], (int)json["status"]!, json["response"]);
        }),
    ];

    /// <summary>Query parameters, decoded; the members of Placement's in: lists are sorted, since Nova takes them from a set.</summary>
    public static IEnumerable<string> Query(string pathAndQuery) =>
        pathAndQuery.Split('?', 2).Skip(1).SelectMany(q => q.Split('&')).Select(Uri.UnescapeDataString)
            .Select(p => p.Split("=in:") is [var name, var list] ? $"{name}=in:{string.Join(',', list.Split(',').Order(StringComparer.Ordinal))}" : p)
            .Order(StringComparer.Ordinal);

    public static string PathOf(string pathAndQuery) => pathAndQuery.Split('?')[0];

    /// <summary>Equal as JSON; trait lists are sets.</summary>
    public static bool SameBody(JToken? expected, JToken? actual) => JToken.DeepEquals(Canonical(expected), Canonical(actual));

    private static string Directory => System.IO.Path.Combine(AppContext.BaseDirectory, "wire", "http");

    private static JToken? Canonical(JToken? body)
    {
        body = body?.DeepClone();
        if (body is JObject holder && holder["traits"] is JArray traits)
            holder["traits"] = new JArray(traits.OrderBy(t => (string?)t, StringComparer.Ordinal));
        return body is null or { Type: JTokenType.Null } ? null : body;
    }

    public override string ToString() => $"{Release}: {Line}";
}
