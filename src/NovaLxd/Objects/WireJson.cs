using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>Reads JSON without making dates out of strings: what came as text goes back as that text.</summary>
internal static class WireJson
{
    /// <exception cref="JsonException">Not JSON, or something behind it.</exception>
    internal static JToken Parse(string text)
    {
        using var reader = new JsonTextReader(new StringReader(text)) { DateParseHandling = DateParseHandling.None };
        var token = JToken.ReadFrom(reader);
        return reader.Read() ? throw new JsonReaderException("There is something behind the JSON value.") : token;
    }

    internal static JObject ParseObject(string text) =>
        Parse(text) as JObject ?? throw new JsonReaderException("Expected a JSON object.");
}
