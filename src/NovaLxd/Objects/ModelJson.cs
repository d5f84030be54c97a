using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>What the records of the network model share: keys they do not know are carried along.</summary>
internal static class ModelJson
{
    internal static JObject Object(JToken? value) => value is JObject json ? (JObject)json.DeepClone() : [];

    internal static JToken Copy(JToken? value) => value?.DeepClone() ?? JValue.CreateNull();

    internal static IReadOnlyList<T> List<T>(JToken? value, Func<JObject, T> parse) =>
        value is JArray list ? list.Cast<JObject>().Select(parse).ToList() : [];

    internal static JObject Others(JObject json, IReadOnlyCollection<string> known) =>
        new(json.Properties().Where(p => !known.Contains(p.Name)).Select(p => new JProperty(p.Name, p.Value.DeepClone())));

    internal static JObject With(JObject extra, JObject json)
    {
        // A null string makes a JValue of type String; null has one form here.
        foreach (var property in json.Properties().Where(p => p.Value is JValue { Value: null, Type: not JTokenType.Null }).ToList())
        {
            property.Value = JValue.CreateNull();
        }

        foreach (var (key, value) in extra)
        {
            json[key] = value!.DeepClone();
        }

        return json;
    }
}
