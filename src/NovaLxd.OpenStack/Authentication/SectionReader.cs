using System.Globalization;

namespace NovaLxd.OpenStack.Authentication;

/// <summary>Typed reading of nova.conf options; every fault becomes a sentence that names section and option, and the default is used.</summary>
internal sealed class SectionReader(OptionReader read, ICollection<string> faults)
{
    public string? Text(string section, string option) => read(section, option) is { } text && text.Trim() is { Length: > 0 } value ? value : null;

    public IReadOnlyList<string> List(string section, string option, IReadOnlyList<string> fallback) =>
        Text(section, option) is { } text ? text.Split([',', '\n'], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) : fallback;

    public bool Bool(string section, string option, bool fallback)
    {
        switch (Text(section, option)?.ToLowerInvariant())
        {
            case null: return fallback;
            case "1" or "true" or "yes" or "on": return true;
            case "0" or "false" or "no" or "off": return false;
            default:
                Fault(section, option, "must be true or false");
                return fallback;
        }
    }

    public int Int(string section, string option, int fallback)
    {
        if (Text(section, option) is not { } text)
            return fallback;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value))
            return value;
        Fault(section, option, $"must be a number of 0 or more, not '{text}'");
        return fallback;
    }

    public TimeSpan Seconds(string section, string option, double fallback)
    {
        if (Text(section, option) is not { } text)
            return TimeSpan.FromSeconds(fallback);
        if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value))
            return TimeSpan.FromSeconds(value);
        Fault(section, option, $"must be a number of seconds, not '{text}'");
        return TimeSpan.FromSeconds(fallback);
    }

    /// <summary>An absolute http or https address; a bare host:port (as old [glance] api_servers have it) is taken as http.</summary>
    public Uri? Url(string section, string option, string? text)
    {
        if (text is null)
            return null;
        var full = text.Contains("://", StringComparison.Ordinal) ? text : "http://" + text;
        if (Uri.TryCreate(full, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.Host.Length > 0)
            return url;
        Fault(section, option, $"'{text}' is not an http or https address");
        return null;
    }

    public void Fault(string section, string option, string what) => faults.Add($"[{section}] {option} {what}");
}
