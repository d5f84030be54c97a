using System.Globalization;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace NovaLxd.Messaging.Wire;

/// <summary>
/// JSON of the bus: texts stay texts (no guessing of dates), deep objects are allowed, dates are written as Python's jsonutils does.
/// </summary>
internal static class OsloJson
{
    /// <summary>Newtonsoft's limit of 64 is near what a request spec with nested objects reaches.</summary>
    private const int MaxDepth = 512;

    /// <exception cref="JsonException">Not JSON.</exception>
    public static JToken Parse(string text)
    {
        using var reader = new JsonTextReader(new StringReader(text)) { DateParseHandling = DateParseHandling.None, MaxDepth = MaxDepth };
        var token = JToken.Load(reader);
        return reader.Read() ? throw new JsonReaderException("there is more after the JSON value") : token;
    }

    public static string Serialize(JToken token)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        using (var writer = new JsonTextWriter(text) { DateFormatString = "yyyy-MM-dd'T'HH:mm:ss.ffffff", Culture = CultureInfo.InvariantCulture })
        {
            token.WriteTo(writer);
        }

        return text.ToString();
    }
}
