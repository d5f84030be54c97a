using System.Globalization;
using System.Text;
using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>JSON as Python's json.dumps writes it by default: ", " and ": ", everything outside ASCII escaped. For JSON that travels inside strings.</summary>
internal static class PythonJson
{
    internal static string Write(JToken token)
    {
        var text = new StringBuilder();
        Write(text, token);
        return text.ToString();
    }

    private static void Write(StringBuilder text, JToken token)
    {
        switch (token)
        {
            case JObject json:
                WriteAll(text, '{', json.Properties(), '}', p =>
                {
                    WriteString(text, p.Name);
                    text.Append(": ");
                    Write(text, p.Value);
                });
                break;
            case JArray list:
                WriteAll(text, '[', list, ']', item => Write(text, item));
                break;
            case JValue { Type: JTokenType.String, Value: string value }:
                WriteString(text, value);
                break;
            default:
                text.Append(token.ToString(Newtonsoft.Json.Formatting.None));
                break;
        }
    }

    private static void WriteAll<T>(StringBuilder text, char open, IEnumerable<T> items, char close, Action<T> write)
    {
        text.Append(open);
        var first = true;
        foreach (var item in items)
        {
            text.Append(first ? "" : ", ");
            first = false;
            write(item);
        }

        text.Append(close);
    }

    private static void WriteString(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (var c in value)
        {
            _ = c switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                '\b' => text.Append("\\b"),
                '\f' => text.Append("\\f"),
                < ' ' or > '~' => text.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture)),
                _ => text.Append(c),
            };
        }

        text.Append('"');
    }
}
