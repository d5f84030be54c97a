using Newtonsoft.Json.Linq;

namespace NovaLxd.TestCloud.Conductor;

/// <summary>Versioned objects as plain JSON.</summary>
internal static class Primitives
{
    internal static JObject Make(string name, string version, JObject data) => new()
    {
        ["nova_object.name"] = name,
        ["nova_object.namespace"] = "nova",
        ["nova_object.version"] = version,
        ["nova_object.data"] = data,
    };

    internal static JObject List(string name, string version, IEnumerable<JObject> objects) =>
        Make(name, version, new JObject { ["objects"] = new JArray(objects) });

    internal static string Name(JObject primitive) => (string)primitive["nova_object.name"]!;

    internal static JObject Data(JObject primitive) => (JObject)primitive["nova_object.data"]!;

    internal static IReadOnlySet<string> Changes(JObject primitive) =>
        primitive["nova_object.changes"] is JArray changes ? changes.Select(c => (string)c!).ToHashSet() : [];

    internal static bool IsNull(JToken? token) => token is null or JValue { Value: null };

    internal static string? Text(JToken? token) => IsNull(token) ? null : (string?)token;

    /// <summary>What differs from what was sent, and so has to be told.</summary>
    internal static JObject Updates(JObject sent, JObject now, IReadOnlyCollection<string> always)
    {
        var updates = new JObject { ["obj_what_changed"] = new JArray() };
        foreach (var (field, value) in now)
        {
            if (always.Contains(field) || !JToken.DeepEquals(sent[field], value))
            {
                updates[field] = value!.DeepClone();
            }
        }

        return updates;
    }
}
