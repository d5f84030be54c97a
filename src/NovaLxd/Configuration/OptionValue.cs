using System.Globalization;

namespace NovaLxd.Configuration;

/// <summary>Text to value and back, by oslo.config's types: booleans in its eight spellings, lists by commas, dictionaries as <c>k:v,k:v</c>, times in seconds.</summary>
internal static class OptionValue
{
    public static object? Parse(Type type, IReadOnlyList<string> values, bool multiValued)
    {
        var text = values[^1];
        var bare = Nullable.GetUnderlyingType(type) ?? type;
        if (bare != type && text.Length == 0)
        {
            return null;
        }

        if (bare == typeof(string))
        {
            return text;
        }

        if (bare == typeof(bool))
        {
            return ParseBoolean(text);
        }

        if (bare == typeof(TimeSpan))
        {
            return TimeSpan.FromSeconds(double.Parse(text, CultureInfo.InvariantCulture));
        }

        if (bare.IsEnum)
        {
            return ParseEnum(bare, text);
        }

        if (typeof(IEnumerable<KeyValuePair<string, string>>).IsAssignableFrom(bare))
        {
            return ParseDictionary(text);
        }

        if (bare != typeof(string) && typeof(IEnumerable<string>).IsAssignableFrom(bare))
        {
            return multiValued ? values.Where(v => v.Length > 0).ToList() : SplitList(text);
        }

        try
        {
            return Convert.ChangeType(text, bare, CultureInfo.InvariantCulture);
        }
        catch (FormatException)
        {
            throw new FormatException($"expected {(bare == typeof(double) ? "a number" : "a whole number")}");
        }
    }

    /// <summary>As it is written in the sample file; null: no default.</summary>
    public static string? Format(object? value) => value switch
    {
        null => null,
        bool b => b ? "true" : "false",
        TimeSpan t => t.TotalSeconds.ToString(CultureInfo.InvariantCulture),
        Enum e => OptionBinder.SnakeCase(e.ToString()).Replace('_', '-'),
        IEnumerable<KeyValuePair<string, string>> map => string.Join(',', map.Select(p => p.Key + ":" + p.Value)),
        IEnumerable<string> list => string.Join(',', list),
        IFormattable f => f.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString(),
    };

    private static bool ParseBoolean(string text) => text.ToLowerInvariant() switch
    {
        "1" or "true" or "yes" or "on" => true,
        "0" or "false" or "no" or "off" => false,
        _ => throw new FormatException("expected true or false"),
    };

    private static object ParseEnum(Type type, string text)
    {
        var plain = text.Replace("-", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal);
        return Enum.TryParse(type, plain, ignoreCase: true, out var value) && Enum.IsDefined(type, value!)
            ? value!
            : throw new FormatException("expected one of " + string.Join(", ", Enum.GetValues(type).Cast<Enum>().Select(Format)));
    }

    private static List<string> SplitList(string text) =>
        text.Length == 0 ? [] : [.. text.Split(',').Select(item => item.Trim())];

    private static Dictionary<string, string> ParseDictionary(string text)
    {
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in SplitList(text))
        {
            var colon = pair.IndexOf(':', StringComparison.Ordinal);
            if (colon < 1)
            {
                throw new FormatException($"expected key:value, key:value; \"{pair}\" has no colon");
            }

            map[pair[..colon].Trim()] = pair[(colon + 1)..].Trim();
        }

        return map;
    }
}
